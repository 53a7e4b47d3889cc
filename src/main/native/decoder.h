// A decoder of the Llama family on a CPU: the layers of `decoder.py` as few functions, over quantised weights.
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
  int length;  // the most positions of a slot
};

// A matrix of use: one matrix, or the parts that its rows come from where these are of different formats.
struct Weights {
  std::vector<Matrix> parts;
  int rows = 0;
};

// Rotary positions turn neighbouring values as complex pairs, which is how GGUF orders a Llama's query and key rows; those
// of other models come reordered.
//
// Threading: one thread makes all calls.
class Decoder {
 public:
  Decoder(const Sizes& sizes, float epsilon, CacheType cache, int threads);

  const Sizes& sizes() const { return sizes_; }
  KvCache& cache() { return cache_; }
  void use_threads(int count);

  // Of the weights.
  Memory memory;
  // Whether all scales and offsets of matrices that came as GGUF's blocks are finite.
  bool finite = true;

  // Loading: matrices in the order of use, for each layer query|key|value, attention output, gate|up, down; then the head's.
  std::vector<Weights> weights;
  // For each layer attention and feed-forward, then the head's: [hidden].
  std::vector<std::vector<float>> norms;
  // For each layer, where the model has them: of query|key|value, and of the heads of queries and keys [heads + kv_heads, dim].
  std::vector<std::vector<float>> biases;
  std::vector<std::vector<float>> head_norms;
  // [dim / 2], by how much each pair turns from one position to the next, in radians.
  std::vector<double> frequencies;

  // Runs embedded tokens x [n, hidden] at their places through all layers, cache included. `count` rows from `first` on become
  // what the head takes; the last layer leaves the others alone, whose keys and values are all that it owes to later tokens.
  void forward(float* x, const std::vector<Place>& places, int first, int count);

  // Logits [n, vocabulary] of x [n, hidden].
  void head(const float* x, int n, float* logits);

 private:
  void normalise(const float* x, const std::vector<float>& norm, int n);
  void project(int matrix, float* out, int stride, bool add);
  void turn(int layer, const std::vector<Place>& places);
  void finish(int layer, float* x, const float* qkv, const std::vector<Place>& places);
  void gate(int n);
  // Calls row(i) for 0 to n - 1, on several threads where it pays.
  template <typename Row>
  void for_rows(int n, Row&& row);

  int qkv_stride() const { return (sizes_.heads + 2 * sizes_.kv_heads) * sizes_.dim; }

  Sizes sizes_;
  float epsilon_;
  KvCache cache_;
  std::unique_ptr<Threads> threads_;

  // What a call works on: grown as needed, kept between calls.
  Activations activations_;
  std::vector<float> normal_;     // [n, hidden]
  std::vector<float> qkv_;        // [n, (heads + 2 · kv_heads) · dim]
  std::vector<float> attention_;  // [n, heads · dim]
  std::vector<float> gate_up_;    // [n, 2 · feed_forward]
  std::vector<float> rotations_;  // [n, dim / 2] cosines and sines
};

}  // namespace llmworker
