// Attention of rows of queries to the cache.
#pragma once

#include <vector>

#include "kv_cache.h"
#include "threads.h"

namespace llmworker {

// A token on its way through the model: whose it is, and where it stands in its sequence.
struct Place {
  int slot;
  int position;
};

// For all rows i: queries [heads, dim] at q + i · stride attend to all up to their position, which are in the cache
// already; the result [heads, dim] goes to out + i · heads · dim. Queries are scaled. A row's result does not depend on
// the other rows, to the bit.
void attend(const KvCache& cache, int layer, const std::vector<Place>& places, int heads, int kv_heads, int dim,
            const float* q, int stride, float* out, Threads& threads);

}  // namespace llmworker
