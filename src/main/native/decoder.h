// A decoder on a CPU: layers that are described one by one, over quantised weights.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "attention.h"
#include "delta_net.h"
#include "kv_cache.h"
#include "matmul.h"
#include "matrix.h"
#include "threads.h"

namespace llmworker {

struct Sizes {
  int hidden;
  int vocabulary;
  int slots;
  int length;  // positions of a slot
  int layer_input = 0;  // values that each layer takes of a token beside the stream; 0: none
};

// What a layer does. `Layer` in program.py has the same members.
struct LayerShape {
  int heads;     // of queries; in a delta net of values
  int kv_heads;  // of keys and values; in a delta net of queries and keys
  int dim;       // of a head
  int window;    // positions that a token sees; 0: all
  int ring;      // positions that it keeps; 0: all
  int keys_of = -1;  // the earlier layer whose keys and values it reads; -1: it has its own
  int rope;      // which rotary positions; -1: none
  // Queries at position p are multiplied by 1 + growth_beta · ln(1 + floor(p / growth_length)).
  int growth_length;
  HeadNorm head_norm;
  bool norm_before;
  bool norm_after;
  Activation activation;
  int width;    // of the feed-forward block, or of each expert
  int experts;  // 0: one block for all tokens
  int used_experts;
  int shared_width;  // of a block beside the experts, which all tokens take; 0: none
  int kernel;        // tokens that the convolution of a delta net sees; 0: attention
  int key_dim;       // of a delta net's keys
  bool gated;        // the result of attention is multiplied with the sigmoid of a gate
  bool bidirectional;  // a token also sees those after it; a text then runs in one call
  bool tiled;        // as of DeltaNet
  bool softmax_of_chosen;
  bool normalised;  // the weights of the chosen experts are divided by their sum
  float scale;      // of the scores
  float cap;        // of the scores; 0: none
  double growth_beta;
  float residual_scale;  // of what each half adds
  float experts_scale;

  bool is_delta() const { return kernel > 0; }
  // Whether it keeps something of sequences, and whether these are keys and values.
  bool has_state() const { return keys_of < 0; }
  bool has_keys() const { return has_state() && !is_delta(); }
  // Of queries, keys and values. Gates come behind them.
  int qkv_width() const { return (heads + (has_keys() ? 2 * kv_heads : 0)) * dim; }
  // Of the first product.
  int input_width() const;
  int query_width() const { return heads * dim; }
  bool is_normed() const { return head_norm != HeadNorm::NONE; }
};

// The weights of one product: one matrix, or several with rows of different formats.
struct Weights {
  std::vector<Matrix> parts;
  int rows = 0;
  bool coarse = false;  // whether activations may be rounded to 8 bits, where a format gains from it
};

struct Layer {
  LayerShape shape;
  Weights qkv, attention_output, router, shared_gate_up, shared_down, input_gate, input_projection;
  // Of each expert, or one.
  std::vector<Weights> gate_up, down;
  // By role; empty if the layer has none.
  std::array<std::vector<float>, static_cast<size_t>(VectorRole::OUTPUT_NORM)> vectors;

  const std::vector<float>& vector(VectorRole role) const { return vectors[static_cast<size_t>(role)]; }
};

// Rotary positions rotate neighbouring values as complex pairs. GGUF orders a Llama's query and key rows so; the loader reorders
// those of other models.
struct Rope {
  std::vector<double> frequencies;  // the angle by which each pair turns from one position to the next, in radians
  float strength;                   // factor of all values that turn
};

// Threading: one thread makes all calls.
class Decoder {
 public:
  // Throws if a size is not positive or too large.
  Decoder(const Sizes& sizes, float epsilon, CacheType cache, int threads);

  // Loading: ropes and layers, then `allocate`, then weights.

  void add_rope(Rope rope);
  // Throws if a size is not positive, or if a product of sizes does not fit.
  void add_layer(const LayerShape& shape);
  void allocate();
  void put_vector(int layer, VectorRole role, std::vector<float> values);
  // The matrix whose parts come next. With a cache in float32 no activations are rounded to 8 bits.
  Weights& begin_matrix(int layer, MatrixRole role);

  const Sizes& sizes() const { return sizes_; }
  // Values that all layers take of a token beside the stream.
  int64_t input_size() const { return static_cast<int64_t>(layers_.size()) * sizes_.layer_input; }
  KvCache& cache();
  const Weights& head() const { return head_; }
  // The matrix that was begun last.
  Weights& last_matrix();
  void use_threads(int count);
  Threads& threads() { return *threads_; }

  // Holds the weights.
  Memory memory;
  // Whether all scales and offsets of matrices from GGUF blocks are finite.
  bool finite = true;

  // Runs embedded tokens x [n, hidden] at their places through all layers, and adds their keys and values to the cache. Only
  // `count` rows from `first` on become the head's input: for the others, the last layer that keeps something computes this
  // alone. inputs: [n, layers · layer_input] of a second embedding, if the model has one; they are overwritten. Throws if a place
  // is outside the cache, the weights are incomplete, or a layer that is bidirectional does not get whole texts.
  void forward(float* x, const std::vector<Place>& places, int first, int count, float* inputs = nullptr);

  // Computes logits [n, vocabulary] of x [n, hidden].
  void head(const float* x, int n, float* logits);

 private:
  // An expert that a row has chosen.
  struct Choice {
    int row;
    int expert;
    float weight;
    int place;  // in `by_expert_`
  };

  void check_loaded();
  void check_layer(const Layer& layer) const;
  void check_delta(const Layer& layer) const;
  void check_order(const std::vector<Place>& places) const;
  bool is_bidirectional() const;
  std::vector<Place> whole_texts(std::vector<Place> places) const;
  void check(const std::vector<Place>& places, int first, int count);
  int last_state() const;
  void take(const float* x, int n, const std::vector<float>* norm, Kinds kinds);
  void add_products(const Activations& from, int first, int n, const Weights& weights, float* out, int stride, bool add);
  void project(const Activations& from, const Weights& weights, float* out, int stride, bool add);
  void project_experts(const std::vector<Weights>& experts, float* out, int stride);
  void add_result(const Layer& layer, const Activations& from, const Weights& weights, VectorRole bias, VectorRole norm, float* x);
  void add_rows(const Layer& layer, const float* rows, const std::vector<float>& bias, VectorRole norm, float* x, int n);
  void turn(const std::vector<Place>& places);
  void rotate(int layer, const std::vector<Place>& places);
  DeltaNet delta_net(const Layer& layer) const;
  void attend_gated(int layer, const float* qkv, const std::vector<Place>& places);
  void add_projection(const float* x, int n, float* inputs);
  void finish(int layer, float* x, const float* inputs, const float* attention, int n);
  void add_input(int layer, float* x, const float* inputs, int n);
  void feed_forward(const Layer& layer, float* x, int n);
  template <typename Bias>
  void gate(const Layer& layer, int size, int n, Kinds kinds, Bias&& bias_of, Activations& out);
  void norm_rows(float* rows, int n, const std::vector<float>& norm);
  const float* shared(const Layer& layer, int n);
  void choose(const Layer& layer, int n);
  float* run_experts(const Layer& layer, int n);
  void experts(const Layer& layer, float* x, int n);
  // Calls row(i) for 0 to n - 1, on several threads if there are enough rows.
  template <typename Row>
  void for_rows(int n, Row&& row);

  Sizes sizes_;
  float epsilon_;
  CacheType cache_type_;
  std::unique_ptr<KvCache> cache_;
  std::unique_ptr<Threads> threads_;
  std::vector<Rope> ropes_;
  std::vector<Layer> layers_;
  std::vector<float> output_norm_, input_norm_;
  Weights head_, inputs_;
  Weights* filling_ = nullptr;
  // Whether everything was checked since the weights changed.
  bool checked_ = false;

  // Buffers of a call. They grow as needed and are kept between calls.
  Activations activations_;
  Activations gathered_;                       // of the rows that experts work on, in the order of `by_expert_`
  std::vector<float> normal_;                  // [n, hidden]
  std::vector<float> qkv_;                     // [n, input_width]
  std::vector<float> attention_;               // [n, heads · dim]
  std::vector<float> gate_up_;                 // [n, 2 · width]; of experts [n · used experts, 2 · width]
  std::vector<float> result_;                  // [n, hidden], what a half adds; of experts [n · used experts, hidden]
  std::vector<float> sum_;                     // [n, hidden], of all experts
  std::vector<float> shared_;                  // [n, hidden], of the block beside the experts
  std::vector<float> projected_;               // [n, layers · layer_input]
  std::vector<float> routed_;                  // [n, experts], logits
  std::vector<std::vector<float>> rotations_;  // by rope: [n, 2 · pairs] cosines and sines
  std::vector<Choice> chosen_;                 // [n, used experts], of each row in the order of their numbers
  std::vector<int> by_expert_;                 // the places in `chosen_`, expert by expert
  std::vector<Product> products_;
};

}  // namespace llmworker
