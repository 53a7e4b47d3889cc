#include "decoder.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>

#include "simd.h"

namespace llmworker {

namespace {

// With fewer rows, waking other threads takes longer than the work.
constexpr int ROWS_TO_SHARE = 4;

constexpr int WIDEST_ROW = 1 << 24;
constexpr int MOST_SLOTS = 1 << 16;
constexpr int MOST_POSITIONS = 1 << 28;

float* grown(std::vector<float>& buffer, size_t size) {
  if (buffer.size() < size) buffer.resize(size);
  return buffer.data();
}

// The sum of squares, in an order that depends on `size` alone.
float squares(const float* x, int size) {
  F32x8 sum{};
  int i = 0;
  for (; i + 8 <= size; i += 8) {
    const F32x8 v = load8(x + i);
    sum = multiply_add(v, v, sum);
  }
  float total = sum8(sum);
  for (; i < size; i++) total += x[i] * x[i];
  return total;
}

void rms_norm(const float* x, const float* norm, int size, float epsilon, float* out) {
  const float factor = 1.0f / std::sqrt(squares(x, size) / size + epsilon);
  for (int i = 0; i < size; i++) out[i] = x[i] * factor * norm[i];
}

// Rows of matrices and activations are counted in ints, so they are bounded here for all that follows.
void check_sizes(std::initializer_list<int> sizes) {
  for (const int size : sizes) {
    if (size < 1) throw std::invalid_argument("a size of the decoder is " + std::to_string(size) + "; it must be at least 1");
  }
}

void check_width(int64_t width) {
  if (width > WIDEST_ROW) {
    throw std::invalid_argument("a row of " + std::to_string(width) + " values is too long; the limit is " +
                                std::to_string(WIDEST_ROW));
  }
}

const Sizes& checked(const Sizes& s) {
  check_width(s.layer_input);
  check_sizes({s.hidden, s.vocabulary, s.slots, s.length, s.layer_input + 1});
  check_width(s.hidden);
  if (s.slots > MOST_SLOTS || s.length > MOST_POSITIONS) {
    throw std::invalid_argument(std::to_string(s.slots) + " slots of " + std::to_string(s.length) +
                                " positions are too many; the limits are " + std::to_string(MOST_SLOTS) + " and " +
                                std::to_string(MOST_POSITIONS));
  }
  return s;
}

std::string described(const char* what, size_t found, size_t expected) {
  return std::string("the decoder is not loaded: ") + what + " " + std::to_string(found) + "; expected " + std::to_string(expected);
}

void expect(const char* what, size_t found, size_t expected) {
  if (found != expected) throw std::logic_error(described(what, found, expected));
}

// A vector may be missing if it is optional.
void expect_vector(const char* what, const std::vector<float>& vector, size_t size, bool optional = false) {
  if (!optional || !vector.empty()) expect(what, vector.size(), size);
}

void expect_matrix(const Weights& weights, size_t rows, size_t columns) {
  for (const Matrix& part : weights.parts) expect("columns of a matrix", part.columns(), columns);
  expect("rows of a matrix", weights.rows, rows);
}

// Whether the activations of a matrix may be rounded to 8 bits. Those of queries and keys may not: what they lose counts most, and the
// matrices are small. Nor may those of the head, of routers and of gates that whole rows pass.
constexpr bool may_be_coarse(MatrixRole role) {
  switch (role) {
    case MatrixRole::ATTENTION_OUTPUT:
    case MatrixRole::GATE_UP:
    case MatrixRole::DOWN:
    case MatrixRole::SHARED_GATE_UP:
    case MatrixRole::SHARED_DOWN: return true;
    case MatrixRole::QKV:
    case MatrixRole::ROUTER:
    case MatrixRole::INPUT_GATE:
    case MatrixRole::INPUT_PROJECTION:
    case MatrixRole::INPUTS:
    case MatrixRole::HEAD: return false;
  }
  return false;
}

Kinds kinds_of(std::initializer_list<std::span<const Weights>> readers) {
  Kinds kinds;
  for (const std::span<const Weights> some : readers) {
    for (const Weights& weights : some) {
      for (const Matrix& part : weights.parts) kinds.add(part);
    }
  }
  return kinds;
}

std::span<const Weights> one(const Weights& weights) { return {&weights, 1}; }

// The activation of 8 gates g and values u.
template <Activation ACTIVATION>
inline F32x8 activated(F32x8 g, F32x8 u) {
  const F32x8 one = splat(1.0f);
  if constexpr (ACTIVATION == Activation::SILU) {
    const F32x8 silu = g / (one + exp8(F32x8{} - g));
    return silu * u;
  } else if (ACTIVATION == Activation::GELU) {
    // 1 + tanh(z) is 2 / (1 + e^(-2 z)), and z is √(2 / π) · (g + 0.044715 · g³).
    const F32x8 z = multiply_add(g * g * g, splat(0.044715f), g) * splat(-1.5957691216f);
    return g / (one + exp8(z)) * u;
  } else {
    const F32x8 most = splat(7.0f), gate = minimum(g, most);
    const F32x8 value = maximum(minimum(u, most), F32x8{} - most);
    return gate / (one + exp8(gate * splat(-1.702f))) * (value + one);
  }
}

// Gates [size], with the values behind them, become the activation's result.
template <Activation ACTIVATION>
void activate(float* gates, const float* up, int size) {
  int j = 0;
  for (; j + 8 <= size; j += 8) store8(gates + j, activated<ACTIVATION>(load8(gates + j), load8(up + j)));
  if (j == size) return;
  float g[8] = {}, u[8] = {};
  std::copy(gates + j, gates + size, g);
  std::copy(up + j, up + size, u);
  store8(g, activated<ACTIVATION>(load8(g), load8(u)));
  std::copy(g, g + size - j, gates + j);
}

void activate(Activation activation, float* gates, const float* up, int size) {
  switch (activation) {
    case Activation::SILU: return activate<Activation::SILU>(gates, up, size);
    case Activation::GELU: return activate<Activation::GELU>(gates, up, size);
    case Activation::CLAMPED: return activate<Activation::CLAMPED>(gates, up, size);
  }
}

// Rotates the pairs of a head, and scales all of it. pairs: of cosines and sines
void rotate_head(float* head, int dim, const float* rotation, int pairs, float factor) {
  for (int j = 0; j < 2 * pairs; j += 2) {
    const float a = head[j] * factor, b = head[j + 1] * factor;
    head[j] = a * rotation[j] - b * rotation[j + 1];
    head[j + 1] = a * rotation[j + 1] + b * rotation[j];
  }
  for (int j = 2 * pairs; j < dim; j++) head[j] *= factor;
}

// What the first product of a layer makes, for sizes that may be too large.
int64_t input_width(const LayerShape& s) {
  const int64_t heads = s.heads, kv_heads = s.kv_heads;
  if (s.is_delta()) return 2 * kv_heads * s.key_dim + 2 * heads * s.dim + 2 * heads;
  return ((s.gated ? 2 : 1) * heads + (s.has_keys() ? 2 * kv_heads : 0)) * s.dim;
}

// x becomes x · sigmoid(gate).
void multiply_gate(float* x, const float* gate, int size) {
  for (int i = 0; i < size; i += 8) {
    store8(x + i, load8(x + i) / (splat(1.0f) + exp8(F32x8{} - load8(gate + i))));
  }
}

}  // namespace

int LayerShape::input_width() const { return static_cast<int>(llmworker::input_width(*this)); }

Decoder::Decoder(const Sizes& sizes, float epsilon, CacheType cache, int threads)
    : sizes_(checked(sizes)), epsilon_(epsilon), cache_type_(cache), threads_(new Threads(threads)) {}

void Decoder::add_rope(Rope rope) { ropes_.push_back(std::move(rope)); }

namespace {

// A layer that reads the keys and values of an earlier one has heads, and a ring, as that one has.
void check_keys(const LayerShape& s, const std::vector<Layer>& earlier) {
  if (s.has_state()) return;
  const LayerShape* source = s.keys_of < static_cast<int>(earlier.size()) ? &earlier[s.keys_of].shape : nullptr;
  if (s.is_delta() || source == nullptr || !source->has_keys() || source->kv_heads != s.kv_heads || source->dim != s.dim ||
      source->ring != s.ring) {
    throw std::invalid_argument("layer " + std::to_string(s.keys_of) + " has no keys of " + std::to_string(s.kv_heads) +
                                " heads of " + std::to_string(s.dim) + " values, and of a ring of " + std::to_string(s.ring));
  }
}

}  // namespace

void Decoder::add_layer(const LayerShape& s) {
  check_sizes({s.heads, s.kv_heads, s.dim, s.width, s.growth_length});
  check_keys(s, layers_);
  if (s.heads % s.kv_heads != 0) {
    throw std::invalid_argument(std::to_string(s.heads) + " heads are no multiple of " + std::to_string(s.kv_heads));
  }
  if (s.window < 0 || s.experts < 0 || s.used_experts < 0 || s.used_experts > s.experts || (s.experts > 0 && s.used_experts == 0)) {
    throw std::invalid_argument("a window of " + std::to_string(s.window) + " or " + std::to_string(s.used_experts) + " of " +
                                std::to_string(s.experts) + " experts is impossible");
  }
  if (s.is_delta()) check_sizes({s.key_dim});
  const bool ring_fits = s.ring == 0 || (!s.is_delta() && s.window > 0 && s.ring >= s.window);
  const bool text_fits = !s.bidirectional || (!s.is_delta() && s.ring == 0);
  const bool delta_fits = !s.is_delta() || (s.key_dim % 8 == 0 && s.dim % 8 == 0);
  if (s.kernel < 0 || !ring_fits || !delta_fits || !text_fits) {
    throw std::invalid_argument("a convolution over " + std::to_string(s.kernel) + " tokens, a ring of " + std::to_string(s.ring) +
                                " or keys of " + std::to_string(s.key_dim) + " values are impossible");
  }
  if (s.shared_width < 0 || (s.shared_width > 0 && s.experts == 0)) {
    throw std::invalid_argument("a shared expert of " + std::to_string(s.shared_width) + " values is impossible");
  }
  for (const int size : {s.heads, s.kv_heads, s.dim, s.kernel, s.key_dim}) check_width(size);
  check_width(llmworker::input_width(s));
  check_width(2 * int64_t{s.shared_width});
  check_width(2 * int64_t{s.width});
  check_width(s.experts);
  check_width((int64_t(layers_.size()) + 1) * sizes_.layer_input);
  if (s.rope >= static_cast<int>(ropes_.size()) || (s.rope >= 0 && 2 * ropes_[s.rope].frequencies.size() > static_cast<size_t>(s.dim))) {
    throw std::invalid_argument("a head of " + std::to_string(s.dim) + " values has no rotary positions of number " +
                                std::to_string(s.rope));
  }
  layers_.emplace_back().shape = s;
  checked_ = false;
}

void Decoder::allocate() {
  std::vector<KvCache::Layer> layers;
  for (const Layer& layer : layers_) {
    const LayerShape& s = layer.shape;
    if (s.is_delta()) {
      layers.push_back({0, 0, 0, delta_net(layer).floats()});
    } else if (s.has_keys()) {
      layers.push_back({s.kv_heads, s.dim, s.ring});
    } else {
      layers.push_back({});
    }
  }
  cache_.reset(new KvCache(cache_type_, layers, sizes_.slots, sizes_.length));
}

KvCache& Decoder::cache() {
  if (cache_ == nullptr) throw std::logic_error("the cache is not allocated");
  return *cache_;
}

void Decoder::put_vector(int layer, VectorRole role, std::vector<float> values) {
  checked_ = false;
  if (role == VectorRole::OUTPUT_NORM) {
    output_norm_ = std::move(values);
  } else if (role == VectorRole::INPUT_NORM) {
    input_norm_ = std::move(values);
  } else {
    layers_.at(layer).vectors[static_cast<size_t>(role)] = std::move(values);
  }
}

Weights& Decoder::begin_matrix(int layer, MatrixRole role) {
  checked_ = false;
  if (role == MatrixRole::HEAD) {
    filling_ = &head_;
  } else if (role == MatrixRole::INPUTS) {
    filling_ = &inputs_;
  } else {
    Layer& to = layers_.at(layer);
    switch (role) {
      case MatrixRole::QKV: filling_ = &to.qkv; break;
      case MatrixRole::ATTENTION_OUTPUT: filling_ = &to.attention_output; break;
      case MatrixRole::ROUTER: filling_ = &to.router; break;
      case MatrixRole::SHARED_GATE_UP: filling_ = &to.shared_gate_up; break;
      case MatrixRole::SHARED_DOWN: filling_ = &to.shared_down; break;
      case MatrixRole::GATE_UP: filling_ = &to.gate_up.emplace_back(); break;
      case MatrixRole::DOWN: filling_ = &to.down.emplace_back(); break;
      case MatrixRole::INPUT_GATE: filling_ = &to.input_gate; break;
      case MatrixRole::INPUT_PROJECTION: filling_ = &to.input_projection; break;
      case MatrixRole::INPUTS:
      case MatrixRole::HEAD: break;
    }
  }
  filling_->coarse = may_be_coarse(role) && cache_type_ != CacheType::F32;
  return *filling_;
}

Weights& Decoder::last_matrix() {
  if (filling_ == nullptr) throw std::logic_error("a part belongs to no matrix");
  checked_ = false;
  return *filling_;
}

void Decoder::use_threads(int count) {
  if (count != threads_->count()) threads_.reset(new Threads(count));
}

template <typename Row>
void Decoder::for_rows(int n, Row&& row) {
  if (n >= ROWS_TO_SHARE) return threads_->run_together(n, row);
  for (int i = 0; i < n; i++) row(i);
}

// Makes the rows of x, normalised if there is a norm, the activations of the next products. `normal_` has them too.
void Decoder::take(const float* x, int n, const std::vector<float>* norm, Kinds kinds) {
  const int hidden = sizes_.hidden;
  float* out = grown(normal_, static_cast<size_t>(n) * hidden);
  activations_.resize(n, hidden, kinds);
  for_rows(n, [&](int i) {
    float* row = out + static_cast<size_t>(i) * hidden;
    const float* from = x + static_cast<size_t>(i) * hidden;
    if (norm == nullptr) {
      std::copy(from, from + hidden, row);
    } else {
      rms_norm(from, norm->data(), hidden, epsilon_, row);
    }
    activations_.put(i, row);
  });
}

// Adds to `products_` those of n rows from `first` on with all parts of a matrix.
void Decoder::add_products(const Activations& from, int first, int n, const Weights& matrix, float* out, int stride, bool add) {
  for (const Matrix& part : matrix.parts) {
    products_.push_back({&from, first, n, &part, out, stride, add});
    out += part.rows();
  }
}

void Decoder::project(const Activations& from, const Weights& matrix, float* out, int stride, bool add) {
  products_.clear();
  add_products(from, 0, from.rows(), matrix, out, stride, add);
  multiply(products_, *threads_);
}

// The products of `gathered_` with a matrix of each expert that some row has chosen.
void Decoder::project_experts(const std::vector<Weights>& experts, float* out, int stride) {
  products_.clear();
  const int all = static_cast<int>(by_expert_.size());
  for (int first = 0, end; first < all; first = end) {
    const int expert = chosen_[by_expert_[first]].expert;
    end = first + 1;
    while (end < all && chosen_[by_expert_[end]].expert == expert) end++;
    add_products(gathered_, first, end - first, experts[expert], out + static_cast<size_t>(first) * stride, stride, false);
  }
  multiply(products_, *threads_);
}

// Adds what a half of a layer gives to x.
void Decoder::add_result(const Layer& layer, const Activations& from, const Weights& weights, VectorRole bias, VectorRole norm,
                         float* x) {
  const LayerShape& s = layer.shape;
  if (layer.vector(bias).empty() && !s.norm_after && s.residual_scale == 1.0f) {
    return project(from, weights, x, sizes_.hidden, true);
  }
  const int n = from.rows();
  float* result = grown(result_, static_cast<size_t>(n) * sizes_.hidden);
  project(from, weights, result, sizes_.hidden, false);
  add_rows(layer, result, layer.vector(bias), norm, x, n);
}

// Adds rows [n, hidden] to x, with their bias, norm and scale.
void Decoder::add_rows(const Layer& layer, const float* rows, const std::vector<float>& bias, VectorRole norm, float* x, int n) {
  const int hidden = sizes_.hidden;
  for_rows(n, [&](int i) {
    const float* from = rows + static_cast<size_t>(i) * hidden;
    float* to = x + static_cast<size_t>(i) * hidden;
    static thread_local std::vector<float> row;
    float* own = grown(row, hidden);
    for (int j = 0; j < hidden; j++) own[j] = bias.empty() ? from[j] : from[j] + bias[j];
    if (layer.shape.norm_after) rms_norm(own, layer.vector(norm).data(), hidden, epsilon_, own);
    for (int j = 0; j < hidden; j++) to[j] += own[j] * layer.shape.residual_scale;
  });
}

// Computes cosines and sines of all places.
void Decoder::turn(const std::vector<Place>& places) {
  const int n = static_cast<int>(places.size());
  rotations_.resize(ropes_.size());
  for (size_t r = 0; r < ropes_.size(); r++) {
    const Rope& rope = ropes_[r];
    const size_t pairs = rope.frequencies.size();
    float* to = grown(rotations_[r], n * 2 * pairs);
    for_rows(n, [&](int i) {
      for (size_t j = 0; j < pairs; j++) {
        const double angle = places[i].position * rope.frequencies[j];
        to[(i * pairs + j) * 2] = static_cast<float>(std::cos(angle)) * rope.strength;
        to[(i * pairs + j) * 2 + 1] = static_cast<float>(std::sin(angle)) * rope.strength;
      }
    });
  }
}

// Adds biases, applies head norms, rotates queries and keys by their positions, and puts keys and values into the cache if the
// layer has some.
void Decoder::rotate(int index, const std::vector<Place>& places) {
  const Layer& layer = layers_[index];
  const LayerShape& s = layer.shape;
  const std::vector<float>&biases = layer.vector(VectorRole::QKV_BIAS), &norms = layer.vector(VectorRole::HEAD_NORMS);
  const int dim = s.dim, stride = s.input_width(), queries = s.query_width(), keys = s.kv_heads * dim;
  const int pairs = s.rope < 0 ? 0 : static_cast<int>(ropes_[s.rope].frequencies.size());
  for_rows(static_cast<int>(places.size()), [&](int i) {
    float* row = qkv_.data() + static_cast<size_t>(i) * stride;
    if (!biases.empty()) {
      for (int j = 0; j < stride; j++) row[j] += biases[j];
    }
    if (s.head_norm == HeadNorm::WHOLE) {
      rms_norm(row, norms.data(), queries, epsilon_, row);
      if (s.has_keys()) rms_norm(row + queries, norms.data() + queries, keys, epsilon_, row + queries);
    }
    const float* rotation = pairs == 0 ? nullptr : rotations_[s.rope].data() + static_cast<size_t>(i) * 2 * pairs;
    float scale = s.scale;
    if (s.growth_beta != 0) {
      scale *= static_cast<float>(1 + s.growth_beta * std::log(1.0 + places[i].position / s.growth_length));
    }
    const int kv_heads = s.has_keys() ? s.kv_heads : 0;
    for (int h = 0; h < s.heads + kv_heads; h++) {
      float* head = row + h * dim;
      if (s.head_norm == HeadNorm::EACH) rms_norm(head, norms.data() + h * dim, dim, epsilon_, head);
      rotate_head(head, dim, rotation, pairs, h < s.heads ? scale : 1.0f);
    }
    // Those of values, if they have norms.
    for (int at = (s.heads + kv_heads) * dim; at < static_cast<int>(norms.size()); at += dim) {
      rms_norm(row + at, norms.data() + at, dim, epsilon_, row + at);
    }
    for (int h = 0; h < kv_heads; h++) {
      const float* key = row + queries + h * dim;
      cache_->put(index, places[i].slot, h, places[i].position, key, key + keys);
    }
  });
}

// Computes the input of the last product of a feed-forward block: the activation of gates and values [n, 2 · size] in `gate_up_`.
// kinds: those that the product needs
// bias_of: gives the bias of row i, or null
template <typename Bias>
void Decoder::gate(const Layer& layer, int size, int n, Kinds kinds, Bias&& bias_of, Activations& out) {
  out.resize(n, size, kinds);
  for_rows(n, [&](int i) {
    float* gates = gate_up_.data() + static_cast<size_t>(i) * 2 * size;
    const float* bias = bias_of(i);
    if (bias != nullptr) {
      for (int j = 0; j < 2 * size; j++) gates[j] += bias[j];
    }
    activate(layer.shape.activation, gates, gates + size, size);
    out.put(i, gates);
  });
}

// Attention of rows of queries, keys, values and gates. All keys and values are in the cache.
void Decoder::attend_gated(int index, const float* qkv, const std::vector<Place>& places) {
  const Layer& layer = layers_[index];
  const LayerShape& s = layer.shape;
  const std::vector<float>& sinks = layer.vector(VectorRole::SINKS);
  const Attention attention{s.heads, s.kv_heads, s.dim, s.window, s.cap, sinks.empty() ? nullptr : sinks.data(), s.bidirectional};
  attend(*cache_, s.has_keys() ? index : s.keys_of, attention, places, qkv, s.input_width(), attention_.data(), *threads_);
  if (!s.gated) return;
  for_rows(static_cast<int>(places.size()), [&](int i) {
    const float* gate = qkv + static_cast<size_t>(i) * s.input_width() + s.qkv_width();
    multiply_gate(attention_.data() + static_cast<size_t>(i) * s.query_width(), gate, s.query_width());
  });
}

DeltaNet Decoder::delta_net(const Layer& layer) const {
  const LayerShape& s = layer.shape;
  const auto of = [&](VectorRole role) { return layer.vector(role).data(); };
  return {s.kv_heads, s.heads, s.key_dim, s.dim, s.kernel, s.tiled, epsilon_, of(VectorRole::CONVOLUTION), of(VectorRole::DECAY),
          of(VectorRole::DECAY_BIAS), of(VectorRole::READ_WEIGHTS)};
}

// What follows a layer's attention [n, heads · dim].
void Decoder::finish(int index, float* x, const float* inputs, const float* attention, int n) {
  const Layer& layer = layers_[index];
  const int out = layer.shape.query_width();
  activations_.resize(n, out, kinds_of({one(layer.attention_output)}));
  for_rows(n, [&](int i) { activations_.put(i, attention + static_cast<size_t>(i) * out); });
  add_result(layer, activations_, layer.attention_output, VectorRole::ATTENTION_OUTPUT_BIAS, VectorRole::ATTENTION_POST_NORM, x);
  feed_forward(layer, x, n);
  if (sizes_.layer_input > 0) add_input(index, x, inputs, n);
  const std::vector<float>& scale = layer.vector(VectorRole::LAYER_SCALE);
  if (!scale.empty()) {
    for (size_t i = 0; i < static_cast<size_t>(n) * sizes_.hidden; i++) x[i] *= scale[0];
  }
}

// Adds to the inputs of all layers what the embedded tokens x [n, hidden] make of them. The sum is scaled to keep its variance.
void Decoder::add_projection(const float* x, int n, float* inputs) {
  const int size = sizes_.layer_input, layers = static_cast<int>(layers_.size()), all = size * layers;
  const float root = 1.0f / std::sqrt(static_cast<float>(sizes_.hidden)), half = std::sqrt(0.5f);
  float* projected = grown(projected_, static_cast<size_t>(n) * all);
  take(x, n, nullptr, kinds_of({one(inputs_)}));
  project(activations_, inputs_, projected, all, false);
  for_rows(n, [&](int i) {
    for (int layer = 0; layer < layers; layer++) {
      const size_t at = static_cast<size_t>(i) * all + layer * size;
      float *own = projected + at, *to = inputs + at;
      for (int j = 0; j < size; j++) own[j] *= root;
      rms_norm(own, input_norm_.data(), size, epsilon_, own);
      for (int j = 0; j < size; j++) to[j] = (to[j] + own[j]) * half;
    }
  });
}

// Adds what a layer makes of its inputs, for rows of inputs [n, layers · layer_input].
void Decoder::add_input(int index, float* x, const float* inputs, int n) {
  const Layer& layer = layers_[index];
  const int size = sizes_.layer_input;
  const size_t all = static_cast<size_t>(size) * layers_.size();
  take(x, n, nullptr, kinds_of({one(layer.input_gate)}));
  float* gates = grown(gate_up_, static_cast<size_t>(n) * size);
  project(activations_, layer.input_gate, gates, size, false);
  activations_.resize(n, size, kinds_of({one(layer.input_projection)}));
  for_rows(n, [&](int i) {
    float* row = gates + static_cast<size_t>(i) * size;
    activate(layer.shape.activation, row, inputs + i * all + static_cast<size_t>(index) * size, size);
    activations_.put(i, row);
  });
  float* result = grown(result_, static_cast<size_t>(n) * sizes_.hidden);
  project(activations_, layer.input_projection, result, sizes_.hidden, false);
  const std::vector<float>& norm = layer.vector(VectorRole::INPUT_POST_NORM);
  for_rows(n, [&](int i) {
    float *own = result + static_cast<size_t>(i) * sizes_.hidden, *to = x + static_cast<size_t>(i) * sizes_.hidden;
    rms_norm(own, norm.data(), sizes_.hidden, epsilon_, own);
    for (int j = 0; j < sizes_.hidden; j++) to[j] += own[j];
  });
}

void Decoder::feed_forward(const Layer& layer, float* x, int n) {
  const LayerShape& s = layer.shape;
  const Kinds kinds = kinds_of({layer.gate_up, one(layer.router), one(layer.shared_gate_up)});
  take(x, n, s.norm_before ? &layer.vector(VectorRole::FEED_FORWARD_NORM) : nullptr, kinds);
  grown(gate_up_, static_cast<size_t>(n) * 2 * std::max(s.width, s.shared_width));
  if (s.experts > 0) return experts(layer, x, n);
  project(activations_, layer.gate_up[0], gate_up_.data(), 2 * s.width, false);
  const std::vector<float>& bias = layer.vector(VectorRole::GATE_UP_BIAS);
  gate(layer, s.width, n, kinds_of({layer.down}), [&](int) { return bias.empty() ? nullptr : bias.data(); }, activations_);
  add_result(layer, activations_, layer.down[0], VectorRole::DOWN_BIAS, VectorRole::FEED_FORWARD_POST_NORM, x);
}

// Asks the router which experts each row takes, and with which weights.
void Decoder::choose(const Layer& layer, int n) {
  const LayerShape& s = layer.shape;
  float* routed = grown(routed_, static_cast<size_t>(n) * s.experts);
  project(activations_, layer.router, routed, s.experts, false);
  chosen_.clear();
  by_expert_.clear();
  const std::vector<float>&bias = layer.vector(VectorRole::ROUTER_BIAS), &scales = layer.vector(VectorRole::EXPERT_SCALES);
  std::vector<int> order(s.experts);
  for (int i = 0; i < n; i++) {
    float* logits = routed + static_cast<size_t>(i) * s.experts;
    for (int e = 0; e < s.experts; e++) {
      order[e] = e;
      if (!bias.empty()) logits[e] += bias[e];
    }
    // Ties go to the lower number, so that the choice does not depend on the order of the sort.
    const auto above = [&](int a, int b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; };
    std::partial_sort(order.begin(), order.begin() + s.used_experts, order.end(), above);
    const float largest = logits[order[0]];
    const int summed = s.softmax_of_chosen ? s.used_experts : s.experts;
    float all = 0, chosen = 0;
    for (int e = 0; e < summed; e++) all += std::exp(logits[s.softmax_of_chosen ? order[e] : e] - largest);
    for (int e = 0; e < s.used_experts; e++) chosen += std::exp(logits[order[e]] - largest);
    const float divisor = s.normalised ? chosen : all;
    for (int e = 0; e < s.used_experts; e++) {
      const float scale = scales.empty() ? s.experts_scale : s.experts_scale * scales[order[e]];
      chosen_.push_back({i, order[e], std::exp(logits[order[e]] - largest) / divisor * scale, 0});
      by_expert_.push_back(static_cast<int>(by_expert_.size()));
    }
    const auto expert = [](const Choice& a, const Choice& b) { return a.expert < b.expert; };
    std::sort(chosen_.end() - s.used_experts, chosen_.end(), expert);
  }
  const auto before = [&](int a, int b) {
    return chosen_[a].expert != chosen_[b].expert ? chosen_[a].expert < chosen_[b].expert : a < b;
  };
  std::sort(by_expert_.begin(), by_expert_.end(), before);
  for (size_t i = 0; i < by_expert_.size(); i++) chosen_[by_expert_[i]].place = static_cast<int>(i);
}

// The result [n, hidden] of the block that all rows take beside the experts. Its input is in `normal_` and `activations_`.
const float* Decoder::shared(const Layer& layer, int n) {
  const int hidden = sizes_.hidden, width = layer.shape.shared_width;
  project(activations_, layer.shared_gate_up, gate_up_.data(), 2 * width, false);
  const Kinds kinds = kinds_of({one(layer.shared_down)});
  gate(layer, width, n, kinds, [](int) { return static_cast<const float*>(nullptr); }, gathered_);
  float* result = grown(shared_, static_cast<size_t>(n) * hidden);
  project(gathered_, layer.shared_down, result, hidden, false);
  norm_rows(result, n, layer.vector(VectorRole::SHARED_POST_NORM));
  const std::vector<float>& gates = layer.vector(VectorRole::SHARED_GATE);
  if (gates.empty()) return result;
  for_rows(n, [&](int i) {
    const float* input = normal_.data() + static_cast<size_t>(i) * hidden;
    float* row = result + static_cast<size_t>(i) * hidden;
    float logit = 0;
    for (int j = 0; j < hidden; j++) logit += input[j] * gates[j];
    const float share = 1.0f / (1.0f + std::exp(-logit));
    for (int j = 0; j < hidden; j++) row[j] *= share;
  });
  return result;
}

// Applies a norm to rows [n, hidden] if there is one.
void Decoder::norm_rows(float* rows, int n, const std::vector<float>& norm) {
  if (norm.empty()) return;
  for_rows(n, [&](int i) {
    float* row = rows + static_cast<size_t>(i) * sizes_.hidden;
    rms_norm(row, norm.data(), sizes_.hidden, epsilon_, row);
  });
}

// The weighted sums [n, hidden] of what the chosen experts make of `activations_`. One call for all experts: waiting for the
// threads after each expert would take longer than the expert. A row adds up its experts in the order of their numbers.
float* Decoder::run_experts(const Layer& layer, int n) {
  const LayerShape& s = layer.shape;
  const int hidden = sizes_.hidden, used = s.used_experts, all = static_cast<int>(by_expert_.size());
  const std::vector<float>&up_bias = layer.vector(VectorRole::GATE_UP_BIAS), &down_bias = layer.vector(VectorRole::DOWN_BIAS);
  gathered_.resize(all, hidden, activations_.kinds());
  for_rows(all, [&](int i) { gathered_.copy(i, activations_, chosen_[by_expert_[i]].row); });
  project_experts(layer.gate_up, grown(gate_up_, static_cast<size_t>(all) * 2 * s.width), 2 * s.width);
  const auto bias_of = [&](int i) {
    return up_bias.empty() ? nullptr : up_bias.data() + static_cast<size_t>(chosen_[by_expert_[i]].expert) * 2 * s.width;
  };
  gate(layer, s.width, all, kinds_of({layer.down}), bias_of, gathered_);
  float* result = grown(result_, static_cast<size_t>(all) * hidden);
  project_experts(layer.down, result, hidden);
  float* sum = grown(sum_, static_cast<size_t>(n) * hidden);
  for_rows(n, [&](int i) {
    float* to = sum + static_cast<size_t>(i) * hidden;
    std::fill(to, to + hidden, 0.0f);
    for (int e = 0; e < used; e++) {
      const Choice& choice = chosen_[static_cast<size_t>(i) * used + e];
      const float* from = result + static_cast<size_t>(choice.place) * hidden;
      const float* bias = down_bias.empty() ? nullptr : down_bias.data() + static_cast<size_t>(choice.expert) * hidden;
      for (int j = 0; j < hidden; j++) to[j] += choice.weight * (bias == nullptr ? from[j] : from[j] + bias[j]);
    }
  });
  return sum;
}

// A feed-forward block of experts, and the one beside them. Their input is in `normal_` and `activations_` if they have no norms of
// their own.
void Decoder::experts(const Layer& layer, float* x, int n) {
  const LayerShape& s = layer.shape;
  const float* beside = s.shared_width > 0 ? shared(layer, n) : nullptr;
  const std::vector<float>& router_norm = layer.vector(VectorRole::ROUTER_NORM);
  const std::vector<float>& experts_norm = layer.vector(VectorRole::EXPERTS_NORM);
  if (!router_norm.empty()) take(x, n, &router_norm, kinds_of({one(layer.router), layer.gate_up}));
  choose(layer, n);
  if (!experts_norm.empty()) take(x, n, &experts_norm, kinds_of({layer.gate_up}));
  float* sum = run_experts(layer, n);
  norm_rows(sum, n, layer.vector(VectorRole::EXPERTS_POST_NORM));
  if (beside != nullptr) {
    for (size_t i = 0; i < static_cast<size_t>(n) * sizes_.hidden; i++) sum[i] += beside[i];
  }
  add_rows(layer, sum, {}, VectorRole::FEED_FORWARD_POST_NORM, x, n);
}

void Decoder::check_layer(const Layer& layer) const {
  const LayerShape& s = layer.shape;
  const size_t hidden = sizes_.hidden, blocks = std::max(1, s.experts), width = s.width;
  expect_matrix(layer.qkv, s.input_width(), hidden);
  expect_matrix(layer.attention_output, hidden, s.query_width());
  expect("matrices of gates", layer.gate_up.size(), blocks);
  expect("matrices down", layer.down.size(), blocks);
  for (const Weights& weights : layer.gate_up) expect_matrix(weights, 2 * width, hidden);
  for (const Weights& weights : layer.down) expect_matrix(weights, hidden, width);
  expect_matrix(layer.router, s.experts, hidden);
  expect_matrix(layer.shared_gate_up, 2 * size_t(s.shared_width), s.shared_width > 0 ? hidden : 0);
  expect_matrix(layer.shared_down, s.shared_width > 0 ? hidden : 0, s.shared_width);
  expect_vector("a gate", layer.vector(VectorRole::SHARED_GATE), s.shared_width > 0 ? hidden : 0, true);
  check_delta(layer);
  expect_vector("a norm", layer.vector(VectorRole::ATTENTION_NORM), s.norm_before ? hidden : 0);
  expect_vector("a norm", layer.vector(VectorRole::FEED_FORWARD_NORM), s.norm_before ? hidden : 0);
  expect_vector("a norm", layer.vector(VectorRole::ATTENTION_POST_NORM), s.norm_after ? hidden : 0);
  expect_vector("a norm", layer.vector(VectorRole::FEED_FORWARD_POST_NORM), s.norm_after ? hidden : 0);
  const size_t keys = s.has_keys() ? s.kv_heads * size_t(s.dim) : 0, normed = s.query_width() + keys;
  const std::vector<float>& head_norms = layer.vector(VectorRole::HEAD_NORMS);
  const bool values_normed = s.head_norm == HeadNorm::EACH && head_norms.size() > normed;
  expect_vector("head norms", head_norms, s.is_normed() ? normed + (values_normed ? keys : 0) : 0);
  expect_vector("biases", layer.vector(VectorRole::QKV_BIAS), s.is_delta() ? 0 : s.input_width(), true);
  expect_vector("biases", layer.vector(VectorRole::ATTENTION_OUTPUT_BIAS), hidden, true);
  expect_vector("biases", layer.vector(VectorRole::ROUTER_BIAS), s.experts, true);
  expect_vector("biases", layer.vector(VectorRole::GATE_UP_BIAS), blocks * 2 * width, true);
  expect_vector("biases", layer.vector(VectorRole::DOWN_BIAS), blocks * hidden, true);
  expect_vector("sinks", layer.vector(VectorRole::SINKS), s.heads, true);
  expect_vector("a norm", layer.vector(VectorRole::ROUTER_NORM), hidden, true);
  expect_vector("a norm", layer.vector(VectorRole::EXPERTS_NORM), hidden, true);
  expect_vector("a norm", layer.vector(VectorRole::EXPERTS_POST_NORM), hidden, true);
  expect_vector("a norm", layer.vector(VectorRole::SHARED_POST_NORM), hidden, true);
  expect_vector("scales", layer.vector(VectorRole::EXPERT_SCALES), s.experts, true);
  expect_vector("a scale", layer.vector(VectorRole::LAYER_SCALE), 1, true);
  const size_t input = sizes_.layer_input;
  expect_matrix(layer.input_gate, input, hidden);
  expect_matrix(layer.input_projection, input == 0 ? 0 : hidden, input);
  expect_vector("a norm", layer.vector(VectorRole::INPUT_POST_NORM), input == 0 ? 0 : hidden);
}

void Decoder::check_delta(const Layer& layer) const {
  const LayerShape& s = layer.shape;
  const DeltaNet net = delta_net(layer);
  const bool is = s.is_delta();
  expect_vector("a convolution", layer.vector(VectorRole::CONVOLUTION), is ? size_t(s.kernel) * net.channels() : 0);
  expect_vector("decays", layer.vector(VectorRole::DECAY), is ? s.heads : 0);
  expect_vector("biases", layer.vector(VectorRole::DECAY_BIAS), is ? s.heads : 0);
  expect_vector("a norm", layer.vector(VectorRole::READ_WEIGHTS), is ? s.dim : 0);
}

// Everything that a call reads is there, in its size.
void Decoder::check_loaded() {
  if (checked_) return;
  for (const Layer& layer : layers_) check_layer(layer);
  expect_vector("a norm", output_norm_, sizes_.hidden);
  expect_vector("a norm", input_norm_, sizes_.layer_input);
  expect_matrix(inputs_, layers_.size() * sizes_.layer_input, sizes_.hidden);
  expect_matrix(head_, sizes_.vocabulary, sizes_.hidden);
  cache();
  checked_ = true;
}

void Decoder::check(const std::vector<Place>& places, int first, int count) {
  check_loaded();
  const int n = static_cast<int>(places.size());
  if (first < 0 || count < 0 || first > n || count > n - first) {
    throw std::out_of_range("rows " + std::to_string(first) + " to " + std::to_string(first + int64_t{count}) +
                            " are outside the " + std::to_string(n) + " of the call");
  }
  for (const Place& place : places) {
    if (place.slot < 0 || place.slot >= sizes_.slots || place.position < 0 || place.position >= sizes_.length) {
      throw std::out_of_range("position " + std::to_string(place.position) + " of slot " + std::to_string(place.slot) +
                              " is outside a cache of " + std::to_string(sizes_.slots) + " slots with " +
                              std::to_string(sizes_.length) + " positions");
    }
  }
  if (cache_ != nullptr && cache_->has_states()) check_order(places);
}

// States move on token by token: the rows of a slot are one after the other, and are no more than a ring has room for.
void Decoder::check_order(const std::vector<Place>& places) const {
  std::vector<int> rows(sizes_.slots, 0);
  int most = WIDEST_ROW;
  for (const Layer& layer : layers_) {
    if (layer.shape.ring > 0) most = std::min(most, layer.shape.ring - layer.shape.window + 1);
  }
  for (size_t i = 0; i < places.size(); i++) {
    const Place& place = places[i];
    const bool first = i == 0 || places[i - 1].slot != place.slot;
    if (first ? rows[place.slot] > 0 : place.position != places[i - 1].position + 1) {
      throw std::out_of_range("the rows of slot " + std::to_string(place.slot) + " are not one after the other");
    }
    if (++rows[place.slot] > most) {
      throw std::out_of_range("a call has more than " + std::to_string(most) + " rows of slot " + std::to_string(place.slot));
    }
  }
}

bool Decoder::is_bidirectional() const {
  return std::any_of(layers_.begin(), layers_.end(), [](const Layer& layer) { return layer.shape.bidirectional; });
}

// Tells each row where its text ends. All of a text must be there: its rows one after the other, from position 0 on.
std::vector<Place> Decoder::whole_texts(std::vector<Place> places) const {
  std::vector<bool> found(sizes_.slots);
  const size_t n = places.size();
  for (size_t first = 0, end = 0; first < n; first = end) {
    const int slot = places[first].slot;
    while (end < n && places[end].slot == slot && places[end].position == static_cast<int>(end - first)) end++;
    if (end == first || found[slot]) {
      throw std::out_of_range("the rows of slot " + std::to_string(slot) + " are not a whole text");
    }
    found[slot] = true;
    for (size_t i = first; i < end; i++) places[i].end = static_cast<int>(end - first);
  }
  return places;
}

// The last layer that keeps something of sequences.
int Decoder::last_state() const {
  int last = static_cast<int>(layers_.size()) - 1;
  while (last > 0 && !layers_[last].shape.has_state()) last--;
  return last;
}

void Decoder::forward(float* x, const std::vector<Place>& rows, int first, int count, float* inputs) {
  check(rows, first, count);
  const std::vector<Place> places = is_bidirectional() ? whole_texts(rows) : rows;
  if (sizes_.layer_input > 0 && inputs == nullptr) throw std::invalid_argument("the layers' inputs are missing");
  if (places.empty()) return;
  const int hidden = sizes_.hidden, last = last_state();
  const size_t all_inputs = layers_.size() * sizes_.layer_input;
  turn(places);
  if (sizes_.layer_input > 0) add_projection(x, static_cast<int>(places.size()), inputs);
  const std::vector<Place> wanted(places.begin() + first, places.begin() + first + count);
  for (int index = 0; index < static_cast<int>(layers_.size()); index++) {
    const Layer& layer = layers_[index];
    const LayerShape& s = layer.shape;
    const std::vector<Place>& own = index <= last ? places : wanted;
    if (index == last + 1) turn(wanted);
    const int n = static_cast<int>(own.size()), stride = s.input_width();
    float* qkv = grown(qkv_, static_cast<size_t>(n) * stride);
    float* attention = grown(attention_, static_cast<size_t>(n) * s.query_width());
    take(x, n, s.norm_before ? &layer.vector(VectorRole::ATTENTION_NORM) : nullptr, kinds_of({one(layer.qkv)}));
    project(activations_, layer.qkv, qkv, stride, false);
    if (s.is_delta()) {
      advance(*cache_, index, delta_net(layer), own, qkv, attention, *threads_);
    } else {
      rotate(index, own);
    }
    if (index == last) {
      // From here on, only the wanted rows.
      if (count == 0) return;
      x += static_cast<size_t>(first) * hidden;
      if (inputs != nullptr) inputs += first * all_inputs;
      qkv += static_cast<size_t>(first) * stride;
      if (s.is_delta()) attention += static_cast<size_t>(first) * s.query_width();
    }
    const std::vector<Place>& going_on = index < last ? places : wanted;
    if (!s.is_delta()) attend_gated(index, qkv, going_on);
    finish(index, x, inputs, attention, static_cast<int>(going_on.size()));
  }
}

void Decoder::head(const float* x, int n, float* logits) {
  check({}, 0, 0);
  take(x, n, &output_norm_, kinds_of({one(head_)}));
  project(activations_, head_, logits, sizes_.vocabulary, false);
  threads_->rest();
}

}  // namespace llmworker
