#include "delta_net.h"

#include <algorithm>
#include <cmath>

#include "simd.h"

namespace llmworker {

namespace {

// Channels of a task.
constexpr int CHANNELS = 512;
constexpr float LENGTH_EPSILON = 1e-6f;

// Rows of one slot.
struct Run {
  int first;
  int rows;
  float* state;
};

float sigmoid(float x) { return 1.0f / (1.0f + std::exp(-x)); }

// ln(1 + e^x). From 20 on it is x in float32.
float softplus(float x) { return x > 20.0f ? x : std::log1p(std::exp(x)); }

F32x8 silu8(F32x8 x) { return x / (splat(1.0f) + exp8(F32x8{} - x)); }

// The sum of products. size: a multiple of 8
float dot(const float* a, const float* b, int size) {
  F32x8 sum{};
  for (int i = 0; i < size; i += 8) sum = multiply_add(load8(a + i), load8(b + i), sum);
  return sum8(sum);
}

// The convolution over tokens and SiLU, of `count` channels from `first` on, in place.
void convolve(const DeltaNet& net, const Run& run, float* rows, int first, int count) {
  const int stride = net.row_width(), channels = net.channels(), kept = net.kernel - 1;
  float* const before = run.state + static_cast<size_t>(net.value_width()) * net.key_dim;
  // The input of token t, which may be one of those before this run.
  const auto input = [&](int t) {
    return t < 0 ? before + static_cast<size_t>(t + kept) * channels : rows + static_cast<size_t>(t) * stride;
  };
  // The rows that later tokens need are copied before they are overwritten.
  static thread_local std::vector<float> last;
  last.resize(static_cast<size_t>(kept) * count);
  for (int i = 0; i < kept; i++) {
    std::copy_n(input(run.rows - kept + i) + first, count, last.data() + static_cast<size_t>(i) * count);
  }
  // From the last token on, because each needs the inputs of those before it.
  for (int t = run.rows - 1; t >= 0; t--) {
    float* const row = rows + static_cast<size_t>(t) * stride;
    for (int c = first; c < first + count; c += 8) {
      F32x8 sum{};
      for (int i = 0; i < net.kernel; i++) {
        sum = multiply_add(load8(net.convolution + static_cast<size_t>(i) * channels + c), load8(input(t - kept + i) + c), sum);
      }
      store8(row + c, silu8(sum));
    }
  }
  for (int i = 0; i < kept; i++) {
    std::copy_n(last.data() + static_cast<size_t>(i) * count, count, before + static_cast<size_t>(i) * channels + first);
  }
}

// A head with the length `length`.
void scale_to(const float* from, int size, float length, float* to) {
  const F32x8 factor = splat(length / std::sqrt(dot(from, from, size) + LENGTH_EPSILON));
  for (int i = 0; i < size; i += 8) store8(to + i, load8(from + i) * factor);
}

// Moves a matrix [value_dim, key_dim] on by a token, and reads it: [value_dim].
void step(const DeltaNet& net, float* matrix, const float* query, const float* key, const float* value, float fade, float share,
          float* out) {
  const F32x8 fading = splat(fade);
  for (int j = 0; j < net.value_dim; j++) {
    float* const row = matrix + static_cast<size_t>(j) * net.key_dim;
    F32x8 read{};
    for (int d = 0; d < net.key_dim; d += 8) {
      const F32x8 faded = load8(row + d) * fading;
      store8(row + d, faded);
      read = multiply_add(faded, load8(key + d), read);
    }
    const F32x8 change = splat((value[j] - sum8(read)) * share);
    F32x8 found{};
    for (int d = 0; d < net.key_dim; d += 8) {
      const F32x8 written = multiply_add(load8(key + d), change, load8(row + d));
      store8(row + d, written);
      found = multiply_add(written, load8(query + d), found);
    }
    out[j] = sum8(found);
  }
}

// RMS norm, times SiLU of the gate.
void finish(const DeltaNet& net, const float* gate, float* out) {
  const float factor = 1.0f / std::sqrt(dot(out, out, net.value_dim) / net.value_dim + net.epsilon);
  for (int d = 0; d < net.value_dim; d += 8) {
    store8(out + d, load8(out + d) * splat(factor) * load8(net.read_weights + d) * silu8(load8(gate + d)));
  }
}

// All tokens of a run in one head of values.
void run_head(const DeltaNet& net, const Run& run, const float* rows, int head, float* out) {
  const int key_head = net.tiled ? head % net.key_heads : head / (net.value_heads / net.key_heads);
  static thread_local std::vector<float> query, key;
  query.resize(net.key_dim);
  key.resize(net.key_dim);
  float* const matrix = run.state + static_cast<size_t>(head) * net.value_dim * net.key_dim;
  for (int t = 0; t < run.rows; t++) {
    const float* const row = rows + static_cast<size_t>(t) * net.row_width();
    const float* const gate = row + net.channels() + head * net.value_dim;
    const float* const shares = row + net.channels() + net.value_width();
    scale_to(row + key_head * net.key_dim, net.key_dim, 1.0f / std::sqrt(static_cast<float>(net.key_dim)), query.data());
    scale_to(row + net.key_width() + key_head * net.key_dim, net.key_dim, 1.0f, key.data());
    const float fade = std::exp(net.decay[head] * softplus(shares[net.value_heads + head] + net.decay_bias[head]));
    float* const result = out + static_cast<size_t>(t) * net.value_width() + head * net.value_dim;
    step(net, matrix, query.data(), key.data(), row + 2 * net.key_width() + head * net.value_dim, fade, sigmoid(shares[head]), result);
    finish(net, gate, result);
  }
}

}  // namespace

void advance(const KvCache& cache, int layer, const DeltaNet& net, const std::vector<Place>& places, float* rows, float* out,
             Threads& threads) {
  std::vector<Run> runs;
  const int n = static_cast<int>(places.size());
  for (int i = 0; i < n;) {
    int end = i + 1;
    while (end < n && places[end].slot == places[i].slot) end++;
    float* const state = cache.state(layer, places[i].slot);
    if (places[i].position == 0) std::fill_n(state, net.floats(), 0.0f);
    runs.push_back({i, end - i, state});
    i = end;
  }
  const auto of = [&](const Run& run) { return rows + static_cast<size_t>(run.first) * net.row_width(); };
  const int blocks = (net.channels() + CHANNELS - 1) / CHANNELS;
  threads.run(static_cast<int>(runs.size()) * blocks, [&](int task) {
    const Run& run = runs[task / blocks];
    const int first = task % blocks * CHANNELS;
    convolve(net, run, of(run), first, std::min(CHANNELS, net.channels() - first));
  });
  threads.run(static_cast<int>(runs.size()) * net.value_heads, [&](int task) {
    const Run& run = runs[task / net.value_heads];
    run_head(net, run, of(run), task % net.value_heads, out + static_cast<size_t>(run.first) * net.value_width());
  });
}

}  // namespace llmworker
