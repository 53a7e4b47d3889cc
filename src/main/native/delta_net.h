// Gated DeltaNet (Yang and others 2024), the recurrent layers of Qwen 3.5. The worker's record `DeltaNet` describes it.
#pragma once

#include <vector>

#include "attention.h"
#include "kv_cache.h"
#include "threads.h"

namespace llmworker {

struct DeltaNet {
  int key_heads;
  int value_heads;
  int key_dim;
  int value_dim;
  int kernel;  // tokens that the convolution sees, the newest included
  bool tiled;  // value head i belongs to key head i % key_heads; otherwise neighbours share one
  float epsilon;
  const float* convolution;   // [kernel, channels]
  const float* decay;         // [value_heads], below 0
  const float* decay_bias;    // [value_heads]
  const float* read_weights;  // [value_dim]

  int key_width() const { return key_heads * key_dim; }
  int value_width() const { return value_heads * value_dim; }
  // Queries, keys and values.
  int channels() const { return 2 * key_width() + value_width(); }
  // Channels, gates, and for each head of values how much it writes and fades.
  int row_width() const { return channels() + value_width() + 2 * value_heads; }
  // Matrices [value_heads, value_dim, key_dim], then the last rows of channels [kernel - 1, channels].
  int64_t floats() const {
    return int64_t{value_width()} * key_dim + int64_t{kernel - 1} * channels();
  }
};

// Reads rows [n, row_width] of tokens, which it overwrites, and moves the states of their slots on by these. The rows of a slot are
// one after the other; position 0 begins a new sequence. The result [value_heads, value_dim] of row i goes to
// out + i · value_width. Other slots do not change a row's result by a bit, and neither does how a prompt is cut.
void advance(const KvCache& cache, int layer, const DeltaNet& net, const std::vector<Place>& places, float* rows, float* out,
             Threads& threads);

}  // namespace llmworker
