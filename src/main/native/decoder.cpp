#include "decoder.h"

#include <algorithm>
#include <cmath>
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
const Sizes& checked(const Sizes& s) {
  for (const int size : {s.layers, s.hidden, s.heads, s.kv_heads, s.dim, s.feed_forward, s.slots, s.length}) {
    if (size < 1) throw std::invalid_argument("a size of the decoder is " + std::to_string(size) + "; it must be at least 1");
  }
  if (s.slots > MOST_SLOTS || s.length > MOST_POSITIONS) {
    throw std::invalid_argument(std::to_string(s.slots) + " slots of " + std::to_string(s.length) +
                                " positions are too many; the limits are " + std::to_string(MOST_SLOTS) + " and " +
                                std::to_string(MOST_POSITIONS));
  }
  if (s.heads % s.kv_heads != 0) {
    throw std::invalid_argument(std::to_string(s.heads) + " heads are no multiple of " + std::to_string(s.kv_heads));
  }
  const int64_t widest = std::max((int64_t{s.heads} + 2 * int64_t{s.kv_heads}) * s.dim, 2 * int64_t{s.feed_forward});
  if (widest > WIDEST_ROW || s.hidden > WIDEST_ROW) {
    throw std::invalid_argument("a row of " + std::to_string(std::max<int64_t>(widest, s.hidden)) +
                                " values is too long; the limit is " + std::to_string(WIDEST_ROW));
  }
  return s;
}

std::string described(const char* what, size_t found, size_t expected) {
  return std::string("the decoder is not loaded: ") + what + " " + std::to_string(found) + "; expected " + std::to_string(expected);
}

void expect(const char* what, size_t found, size_t expected) {
  if (found != expected) throw std::logic_error(described(what, found, expected));
}

void expect_vectors(const char* what, const std::vector<std::vector<float>>& vectors, size_t count, size_t size) {
  expect(what, vectors.size(), count);
  for (const std::vector<float>& vector : vectors) expect(what, vector.size(), size);
}

}  // namespace

Decoder::Decoder(const Sizes& sizes, float epsilon, CacheType cache, int threads)
    : sizes_(checked(sizes)),
      epsilon_(epsilon),
      cache_(cache, sizes.layers, sizes.slots, sizes.kv_heads, sizes.dim, sizes.length),
      threads_(new Threads(threads)) {}

void Decoder::use_threads(int count) {
  if (count != threads_->count()) threads_.reset(new Threads(count));
}

template <typename Row>
void Decoder::for_rows(int n, Row&& row) {
  if (n >= ROWS_TO_SHARE) return threads_->run_together(n, row);
  for (int i = 0; i < n; i++) row(i);
}

// Normalises the rows of x into the activations of the next product.
void Decoder::normalise(const float* x, const std::vector<float>& norm, int n) {
  const int hidden = sizes_.hidden;
  float* out = grown(normal_, static_cast<size_t>(n) * hidden);
  activations_.resize(n, hidden);
  for_rows(n, [&](int i) {
    float* row = out + static_cast<size_t>(i) * hidden;
    rms_norm(x + static_cast<size_t>(i) * hidden, norm.data(), hidden, epsilon_, row);
    activations_.put(i, row);
  });
}

void Decoder::project(int matrix, float* out, int stride, bool add) {
  for (const Matrix& part : weights[matrix].parts) {
    multiply(activations_, part, out, stride, add, *threads_);
    out += part.rows();
  }
}

// Adds biases, applies head norms, rotates queries and keys by their positions, and puts keys and values into the cache.
void Decoder::rotate(int layer, const std::vector<Place>& places) {
  const int dim = sizes_.dim, heads = sizes_.heads, kv_heads = sizes_.kv_heads, turning = heads + kv_heads;
  const int stride = qkv_stride();
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  for_rows(static_cast<int>(places.size()), [&](int i) {
    float* row = qkv_.data() + static_cast<size_t>(i) * stride;
    if (!biases.empty()) {
      for (int j = 0; j < stride; j++) row[j] += biases[layer][j];
    }
    const float* rotation = rotations_.data() + static_cast<size_t>(i) * dim;
    for (int h = 0; h < turning; h++) {
      float* head = row + h * dim;
      if (!head_norms.empty()) rms_norm(head, head_norms[layer].data() + h * dim, dim, epsilon_, head);
      const float factor = h < heads ? scale : 1.0f;
      for (int j = 0; j < dim; j += 2) {
        const float a = head[j] * factor, b = head[j + 1] * factor;
        head[j] = a * rotation[j] - b * rotation[j + 1];
        head[j + 1] = a * rotation[j + 1] + b * rotation[j];
      }
    }
    for (int h = 0; h < kv_heads; h++) {
      const float* key = row + (heads + h) * dim;
      cache_.put(layer, places[i].slot, h, places[i].position, key, key + kv_heads * dim);
    }
  });
}

// Computes the activations of a layer's last product: SiLU of the gates times the values of `up`.
void Decoder::gate(int n) {
  const int size = sizes_.feed_forward;
  activations_.resize(n, size);
  for_rows(n, [&](int i) {
    float* gates = gate_up_.data() + static_cast<size_t>(i) * 2 * size;
    const float* up = gates + size;
    const F32x8 one = splat(1.0f);
    int j = 0;
    for (; j + 8 <= size; j += 8) {
      const F32x8 g = load8(gates + j);
      const F32x8 silu = g / (one + exp8(F32x8{} - g));
      store8(gates + j, silu * load8(up + j));
    }
    for (; j < size; j++) gates[j] = gates[j] / (1.0f + std::exp(-gates[j])) * up[j];
    activations_.put(i, gates);
  });
}

// Attention and feed-forward of a layer. All keys and values are in the cache.
void Decoder::finish(int layer, float* x, const float* qkv, const std::vector<Place>& places) {
  const int n = static_cast<int>(places.size()), out = sizes_.heads * sizes_.dim;
  attend(cache_, layer, places, sizes_.heads, sizes_.kv_heads, sizes_.dim, qkv, qkv_stride(), attention_.data(), *threads_);
  activations_.resize(n, out);
  for_rows(n, [&](int i) { activations_.put(i, attention_.data() + static_cast<size_t>(i) * out); });
  project(4 * layer + 1, x, sizes_.hidden, true);
  normalise(x, norms[2 * layer + 1], n);
  project(4 * layer + 2, gate_up_.data(), 2 * sizes_.feed_forward, false);
  gate(n);
  project(4 * layer + 3, x, sizes_.hidden, true);
}

// Everything that a call reads is there, in its size. This takes some hundred comparisons, so each call does it.
void Decoder::check_loaded() const {
  const size_t layers = sizes_.layers, hidden = sizes_.hidden, dim = sizes_.dim;
  const size_t stride = qkv_stride(), out = static_cast<size_t>(sizes_.heads) * dim, feed_forward = sizes_.feed_forward;
  expect("matrices", weights.size(), 4 * layers + 1);
  const struct {
    size_t rows, columns;
  } shapes[] = {{stride, hidden}, {hidden, out}, {2 * feed_forward, hidden}, {hidden, feed_forward}};
  for (size_t i = 0; i < weights.size(); i++) {
    size_t rows = 0;
    for (const Matrix& part : weights[i].parts) {
      expect("columns of a matrix", part.columns(), i < 4 * layers ? shapes[i % 4].columns : hidden);
      rows += part.rows();
    }
    expect("rows of a matrix", rows, i < 4 * layers ? shapes[i % 4].rows : weights[i].rows);
  }
  expect_vectors("norms", norms, 2 * layers + 1, hidden);
  if (!biases.empty()) expect_vectors("biases", biases, layers, stride);
  if (!head_norms.empty()) expect_vectors("head norms", head_norms, layers, static_cast<size_t>(sizes_.heads + sizes_.kv_heads) * dim);
  expect("frequencies", frequencies.size(), dim / 2);
}

void Decoder::check(const std::vector<Place>& places, int first, int count) const {
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
}

void Decoder::forward(float* x, const std::vector<Place>& places, int first, int count) {
  check(places, first, count);
  if (places.empty()) return;
  const int n = static_cast<int>(places.size()), hidden = sizes_.hidden, dim = sizes_.dim, stride = qkv_stride();
  float* qkv = grown(qkv_, static_cast<size_t>(n) * stride);
  grown(attention_, static_cast<size_t>(n) * sizes_.heads * dim);
  grown(gate_up_, static_cast<size_t>(n) * 2 * sizes_.feed_forward);
  float* rotations = grown(rotations_, static_cast<size_t>(n) * dim);
  for_rows(n, [&](int i) {
    for (int j = 0; j < dim / 2; j++) {
      const double angle = places[i].position * frequencies[j];
      rotations[static_cast<size_t>(i) * dim + 2 * j] = static_cast<float>(std::cos(angle));
      rotations[static_cast<size_t>(i) * dim + 2 * j + 1] = static_cast<float>(std::sin(angle));
    }
  });
  for (int layer = 0; layer < sizes_.layers; layer++) {
    normalise(x, norms[2 * layer], n);
    project(4 * layer, qkv, stride, false);
    rotate(layer, places);
    if (layer + 1 < sizes_.layers) {
      finish(layer, x, qkv, places);
    } else if (count > 0) {
      const auto start = places.begin() + first;
      finish(layer, x + static_cast<size_t>(first) * hidden, qkv + static_cast<size_t>(first) * stride, {start, start + count});
    }
  }
}

void Decoder::head(const float* x, int n, float* logits) {
  check({}, 0, 0);
  normalise(x, norms[2 * sizes_.layers], n);
  const Weights& last = weights[4 * sizes_.layers];
  project(4 * sizes_.layers, logits, last.rows, false);
  threads_->rest();
}

}  // namespace llmworker
