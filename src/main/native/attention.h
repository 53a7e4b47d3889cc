// Attention of rows of queries to the cache.
#pragma once

#include <vector>

#include "kv_cache.h"
#include "threads.h"

namespace llmworker {

// The place of a token: its sequence's slot and its position in the sequence.
struct Place {
  int slot;
  int position;
  int end = 0;  // behind the last position of its text; only layers that are bidirectional read it
};

// How a layer attends.
struct Attention {
  int heads;
  int kv_heads;
  int dim;
  int window = 0;                // the positions that a token sees, itself included; on each side if `bidirectional`; 0: all
  float cap = 0;                 // scores become cap · tanh(score / cap); 0: they stay
  const float* sinks = nullptr;  // [heads], a score of each head that takes weight and adds nothing
  bool bidirectional = false;    // a token also sees those after it, up to the end of its text
};

// For all rows i, queries [heads, dim] at q + i · stride attend to the positions that they see, which are in the cache already.
// The result [heads, dim] goes to out + i · heads · dim. The caller has scaled the queries. Other rows do not change a row's
// result by a bit.
void attend(const KvCache& cache, int layer, const Attention& attention, const std::vector<Place>& places, const float* q,
            int stride, float* out, Threads& threads);

}  // namespace llmworker
