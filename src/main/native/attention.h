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
};

// For all rows i, queries [heads, dim] at q + i · stride attend to all positions up to their own, which are in the cache
// already. The result [heads, dim] goes to out + i · heads · dim. The caller has scaled the queries. Other rows do not change
// a row's result by a bit.
void attend(const KvCache& cache, int layer, const std::vector<Place>& places, int heads, int kv_heads, int dim,
            const float* q, int stride, float* out, Threads& threads);

}  // namespace llmworker
