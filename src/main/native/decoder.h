// A decoder of the Llama family on a CPU: the layers of `decoder.py`, over quantised weights.
#pragma once

#include <memory>
#include <vector>

#include "attention.h"
#include "kv_cache.h"
#include "matmul.h"
#include "matrix.h"
#include "threads.h"

namespace llmworker {

struct Sizes {
  int layers;
  int hidden;
  int heads;
  int kv_heads;
  int dim;  // of a head
  int feed_forward;
  int slots;
  int length;  // positions of a slot
};

// The weights of one product: one matrix, or several with rows of different formats.
struct Weights {
  std::vector<Matrix> parts;
  int rows = 0;
};

// Rotary positions rotate neighbouring values as complex pairs. GGUF orders a Llama's query and key rows so; the loader reorders
// those of other models.
//
// Threading: one thread makes all calls.
class Decoder {
 public:
  // Throws if a size is not positive, or if a product of sizes does not fit.
  Decoder(const Sizes& sizes, float epsilon, CacheType cache, int threads);

  const Sizes& sizes() const { return sizes_; }
  KvCache& cache() { return cache_; }
  // The rows of the head's matrix; 0 if no weights are loaded.
  int vocabulary() const { return weights.empty() ? 0 : weights.back().rows; }
  void use_threads(int count);

  // Holds the weights.
  Memory memory;
  // Whether all scales and offsets of matrices from GGUF blocks are finite.
  bool finite = true;

  // Matrices in the order of use: for each layer query|key|value, attention output, gate|up, down; then the head's.
  std::vector<Weights> weights;
  // For each layer those of attention and feed-forward, then the head's: [hidden].
  std::vector<std::vector<float>> norms;
  // If the model has them, for each layer: biases of query|key|value, and norms of query and key heads [heads + kv_heads, dim].
  std::vector<std::vector<float>> biases;
  std::vector<std::vector<float>> head_norms;
  // [dim / 2], the angle by which each pair turns from one position to the next, in radians.
  std::vector<double> frequencies;

  // Runs embedded tokens x [n, hidden] at their places through all layers, and adds their keys and values to the cache. Only
  // `count` rows from `first` on become the head's input: for the others, the last layer computes keys and values alone.
  // Throws if a place is outside the cache or the weights are incomplete.
  void forward(float* x, const std::vector<Place>& places, int first, int count);

  // Computes logits [n, vocabulary] of x [n, hidden].
  void head(const float* x, int n, float* logits);

 private:
  void check_loaded() const;
  void check(const std::vector<Place>& places, int first, int count) const;
  void normalise(const float* x, const std::vector<float>& norm, int n);
  void project(int matrix, float* out, int stride, bool add);
  void rotate(int layer, const std::vector<Place>& places);
  void finish(int layer, float* x, const float* qkv, const std::vector<Place>& places);
  void gate(int n);
  // Calls row(i) for 0 to n - 1, on several threads if there are enough rows.
  template <typename Row>
  void for_rows(int n, Row&& row);

  int qkv_stride() const { return (sizes_.heads + 2 * sizes_.kv_heads) * sizes_.dim; }

  Sizes sizes_;
  float epsilon_;
  KvCache cache_;
  std::unique_ptr<Threads> threads_;

  // Buffers of a call. They grow as needed and are kept between calls.
  Activations activations_;
  std::vector<float> normal_;     // [n, hidden]
  std::vector<float> qkv_;        // [n, (heads + 2 · kv_heads) · dim]
  std::vector<float> attention_;  // [n, heads · dim]
  std::vector<float> gate_up_;    // [n, 2 · feed_forward]
  std::vector<float> rotations_;  // [n, dim / 2] cosines and sines
};

}  // namespace llmworker
