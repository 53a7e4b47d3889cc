// The cache, attention, the decoder and its errors.
#include <algorithm>
#include <memory>
#include <set>
#include <stdexcept>

#include "attention.h"
#include "check.h"
#include "gguf_blocks.h"
#include "decoder.h"

using namespace llmworker;

namespace {

constexpr CacheType ALL_TYPES[] = {CacheType::F32, CacheType::F16, CacheType::BF16, CacheType::Q8};

// Numbers of a key or a value, which share a scale, in bytes.
struct Group {
  uint16_t scale;
  std::vector<int8_t> bytes;

  Group(const float* numbers, int count) : bytes(count) {
    float largest = 0;
    for (int i = 0; i < count; i++) largest = std::max(largest, std::abs(numbers[i]));
    scale = float_to_half(largest / 127.0f);
    const float step = half_to_float(scale);
    for (int i = 0; i < count && step > 0; i++) {
      bytes[i] = static_cast<int8_t>(std::min(127.0f, std::max(-127.0f, std::nearbyint(numbers[i] / step))));
    }
  }
};

// What a cache of this type makes of numbers, which are those of keys or values [dim].
void round_all(CacheType type, std::vector<float>& numbers, int dim) {
  if (type == CacheType::Q8) {
    for (size_t start = 0; start < numbers.size(); start += dim) {
      for (int d = 0; d < dim; d += 32) {
        const Group group(numbers.data() + start + d, std::min(32, dim - d));
        for (size_t i = 0; i < group.bytes.size(); i++) numbers[start + d + i] = group.bytes[i] * half_to_float(group.scale);
      }
    }
    return;
  }
  for (float& value : numbers) {
    if (type == CacheType::F16) value = half_to_float(float_to_half(value));
    if (type == CacheType::BF16) value = bfloat_to_float(float_to_bfloat(value));
  }
}

// What attention makes of a query [dim].
std::vector<float> rounded_query(CacheType type, const float* q, int dim) {
  std::vector<float> all(q, q + dim);
  if (type != CacheType::Q8) return all;
  float largest = 0;
  for (float value : all) largest = std::max(largest, std::abs(value));
  const float scale = largest / 32767.0f, factor = 1.0f / scale;
  for (float& value : all) value = std::nearbyint(value * factor) * scale;
  return all;
}

// Keys and values [slots, length, kv_heads, dim] as the cache holds them, and by plain loops.
struct Kept {
  static constexpr int SLOTS = 3, LENGTH = 610;

  Attention shape;
  KvCache cache;
  std::vector<float> keys, values;

  // The first layer has other heads.
  Kept(CacheType type, Attention s, Random& random)
      : shape(s), cache(type, {{s.kv_heads + 1, s.dim + 8}, {s.kv_heads, s.dim}}, SLOTS, LENGTH) {
    const size_t count = size_t{SLOTS} * LENGTH * s.kv_heads * s.dim;
    keys = normal(random, count);
    values = normal(random, count);
    for (int slot = 0; slot < SLOTS; slot++) {
      for (int position = 0; position < LENGTH; position++) {
        for (int head = 0; head < s.kv_heads; head++) {
          const size_t at = place(slot, position, head);
          cache.put(1, slot, head, position, keys.data() + at, values.data() + at);
        }
      }
    }
    round_all(type, keys, s.dim);
    round_all(type, values, s.dim);
  }

  size_t place(int slot, int position, int head) const {
    return ((static_cast<size_t>(slot) * LENGTH + position) * shape.kv_heads + head) * shape.dim;
  }

  // Attention of one query, by plain loops: [dim].
  std::vector<double> attend(const float* query, int slot, int position, int end, int query_head) const {
    const std::vector<float> q = rounded_query(cache.type(), query, shape.dim);
    const int head = query_head / (shape.heads / shape.kv_heads);
    const int first = shape.window == 0 ? 0 : std::max(0, position + 1 - shape.window);
    int last = position;
    if (shape.bidirectional) last = shape.window == 0 ? end - 1 : std::min(end - 1, position + shape.window - 1);
    std::vector<double> scores(last + 1), out(shape.dim, 0.0);
    double sum = shape.sinks == nullptr ? 0.0 : std::exp(double{shape.sinks[query_head]});
    for (int p = first; p <= last; p++) {
      double score = 0.0;
      for (int d = 0; d < shape.dim; d++) score += double{q[d]} * keys[place(slot, p, head) + d];
      if (shape.cap > 0) score = shape.cap * std::tanh(score / shape.cap);
      sum += scores[p] = std::exp(score);
    }
    for (int p = first; p <= last; p++) {
      for (int d = 0; d < shape.dim; d++) out[d] += scores[p] / sum * values[place(slot, p, head) + d];
    }
    return out;
  }
};

// Whether two of a slot's bytes, from `at` on, are this number of 16 bits.
bool are_half(const std::vector<uint8_t>& bytes, size_t at, uint16_t expected) {
  uint16_t found;
  std::memcpy(&found, bytes.data() + at, 2);
  return found == expected;
}

// Parts of a prompt, single rows, one position, the ends of pieces: by slots, after slots were swapped or not.
const std::vector<Place> PLACES = {{0, 0},   {1, 255}, {2, 256}, {0, 7},   {1, 590}, {1, 591}, {1, 592}, {1, 593}, {1, 594},
                                   {1, 595}, {1, 596}, {1, 597}, {1, 598}, {1, 599}, {2, 609}, {0, 511}, {0, 512}, {0, 100}};

void check_attention(const Kept& kept, const int (&slots)[3], Threads& threads, Random& random) {
  const Attention s = kept.shape;
  const int n = static_cast<int>(PLACES.size()), stride = (s.heads + 2 * s.kv_heads) * s.dim;
  const std::vector<float> q = normal(random, static_cast<size_t>(n) * stride, 0.5f);
  std::vector<float> out(static_cast<size_t>(n) * s.heads * s.dim);
  std::vector<Place> places = PLACES;
  constexpr int ENDS[] = {513, 600, Kept::LENGTH};
  for (Place& place : places) place.end = ENDS[place.slot];
  attend(kept.cache, 1, s, places, q.data(), stride, out.data(), threads);
  for (int i = 0; i < n; i++) {
    for (int h = 0; h < s.heads; h++) {
      const auto expected = kept.attend(q.data() + static_cast<size_t>(i) * stride + h * s.dim, slots[places[i].slot],
                                        places[i].position, places[i].end, h);
      const float* found = out.data() + (static_cast<size_t>(i) * s.heads + h) * s.dim;
      for (int d = 0; d < s.dim; d++) {
        check(std::abs(found[d] - expected[d]) < 2e-5, "attention of row " + std::to_string(i) + " is wrong");
      }
    }
    std::vector<float> alone(static_cast<size_t>(s.heads) * s.dim);
    attend(kept.cache, 1, s, {places[i]}, q.data() + static_cast<size_t>(i) * stride, stride, alone.data(), threads);
    check(std::memcmp(alone.data(), out.data() + i * alone.size(), 4 * alone.size()) == 0,
          "attention of row " + std::to_string(i) + " depends on the others");
  }
}

constexpr int VOCABULARY = 53;
constexpr Sizes SIZES{96, VOCABULARY, 3, 70};

LayerShape plain_layer() {
  LayerShape s{};
  s.heads = 6;
  s.kv_heads = 2;
  s.dim = 16;
  s.growth_length = 1;
  s.norm_before = true;
  s.width = 160;
  s.scale = 0.25f;
  s.residual_scale = 1;
  s.experts_scale = 1;
  return s;
}

// Layers that have everything between them.
std::vector<LayerShape> layer_shapes() {
  std::vector<LayerShape> all(7, plain_layer());
  all[1].heads = 4;
  all[1].dim = 32;
  all[1].head_norm = HeadNorm::EACH;
  all[1].window = 9;
  all[1].rope = 1;
  all[1].norm_after = true;
  all[1].activation = Activation::GELU;
  all[2].head_norm = HeadNorm::WHOLE;
  all[2].rope = -1;
  all[2].norm_before = false;
  all[2].norm_after = true;
  all[2].cap = 20;
  all[3].experts = 5;
  all[3].used_experts = 2;
  all[3].softmax_of_chosen = true;
  all[3].normalised = true;
  all[3].activation = Activation::CLAMPED;
  all[3].growth_beta = 0.1;
  all[3].growth_length = 16;
  all[3].residual_scale = 0.5f;
  all[4].experts = 4;
  all[4].used_experts = 3;
  all[4].width = 32;
  all[4].window = 1;
  all[5].kernel = 4;
  all[5].key_dim = 24;
  all[5].experts = 3;
  all[5].used_experts = 1;
  all[5].shared_width = 64;
  all[6] = all[5];
  all[6].tiled = true;
  all[6].kernel = 1;
  all[6].experts = all[6].used_experts = all[6].shared_width = 0;
  all.push_back(plain_layer());
  all[7].gated = true;
  all[7].window = 9;
  all[7].ring = 256;
  return all;
}

// A decoder with random weights of all formats.
std::unique_ptr<Decoder> random_decoder(CacheType cache, int threads, const std::vector<LayerShape>& shapes = layer_shapes()) {
  Random random(5);
  auto decoder = std::make_unique<Decoder>(SIZES, 1e-5f, cache, threads);
  int next = 0;
  const auto add = [&](int layer, MatrixRole role, std::vector<int> rows, int columns) {
    Weights& weights = decoder->begin_matrix(layer, role);
    for (int count : rows) {
      if (count == 0) continue;
      const Format format = ALL_FORMATS[next++ % 7];
      weights.parts.push_back(random_matrix(format, count, columns, decoder->memory, random, weights.coarse).matrix);
      weights.rows += count;
    }
  };
  const auto put = [&](int layer, VectorRole role, int size) { decoder->put_vector(layer, role, normal(random, size, 0.5f)); };
  for (const int turning : {16, 8}) {
    Rope rope{{}, turning == 8 ? 1.2f : 1.0f};
    for (int i = 0; i < turning / 2; i++) rope.frequencies.push_back(std::pow(10000.0, -2.0 * i / turning));
    decoder->add_rope(rope);
  }
  for (const LayerShape& s : shapes) decoder->add_layer(s);
  decoder->allocate();
  for (int layer = 0; layer < static_cast<int>(shapes.size()); layer++) {
    const LayerShape& s = shapes[layer];
    const int blocks = std::max(1, s.experts);
    const int keys = s.kv_heads * s.dim;
    if (s.is_delta()) {
      add(layer, MatrixRole::QKV, {s.input_width() - 2 * s.heads, s.heads, s.heads}, SIZES.hidden);
      put(layer, VectorRole::CONVOLUTION, s.kernel * (2 * s.kv_heads * s.key_dim + s.query_width()));
      std::vector<float> decay = normal(random, s.heads, 0.5f);
      for (float& value : decay) value = -std::abs(value);
      decoder->put_vector(layer, VectorRole::DECAY, decay);
      put(layer, VectorRole::DECAY_BIAS, s.heads);
      put(layer, VectorRole::READ_WEIGHTS, s.dim);
    } else {
      add(layer, MatrixRole::QKV, {s.query_width(), keys, keys, s.input_width() - s.query_width() - 2 * keys}, SIZES.hidden);
    }
    if (s.shared_width > 0) {
      add(layer, MatrixRole::SHARED_GATE_UP, {2 * s.shared_width}, SIZES.hidden);
      add(layer, MatrixRole::SHARED_DOWN, {SIZES.hidden}, s.shared_width);
      put(layer, VectorRole::SHARED_GATE, SIZES.hidden);
    }
    add(layer, MatrixRole::ATTENTION_OUTPUT, {SIZES.hidden}, s.query_width());
    if (s.experts > 0) add(layer, MatrixRole::ROUTER, {s.experts}, SIZES.hidden);
    for (int i = 0; i < blocks; i++) {
      add(layer, MatrixRole::GATE_UP, {s.width, s.width}, SIZES.hidden);
      add(layer, MatrixRole::DOWN, {SIZES.hidden}, s.width);
    }
    for (const VectorRole norm : {VectorRole::ATTENTION_NORM, VectorRole::FEED_FORWARD_NORM}) {
      if (s.norm_before) put(layer, norm, SIZES.hidden);
    }
    for (const VectorRole norm : {VectorRole::ATTENTION_POST_NORM, VectorRole::FEED_FORWARD_POST_NORM}) {
      if (s.norm_after) put(layer, norm, SIZES.hidden);
    }
    if (s.is_normed()) put(layer, VectorRole::HEAD_NORMS, (s.heads + s.kv_heads) * s.dim);
    if (layer % 2 == 0 || s.is_delta()) continue;
    put(layer, VectorRole::QKV_BIAS, s.input_width());
    put(layer, VectorRole::ATTENTION_OUTPUT_BIAS, SIZES.hidden);
    put(layer, VectorRole::SINKS, s.heads);
    put(layer, VectorRole::GATE_UP_BIAS, blocks * 2 * s.width);
    put(layer, VectorRole::DOWN_BIAS, blocks * SIZES.hidden);
    if (s.experts > 0) put(layer, VectorRole::ROUTER_BIAS, s.experts);
  }
  decoder->put_vector(-1, VectorRole::OUTPUT_NORM, normal(random, SIZES.hidden));
  add(-1, MatrixRole::HEAD, {VOCABULARY}, SIZES.hidden);
  return decoder;
}

// Logits of each row of x as positions 0 and up of a slot, in chunks.
std::vector<float> logits(Decoder& decoder, std::vector<float> x, int slot, const std::vector<int>& chunks) {
  std::vector<float> all;
  int start = 0;
  for (int count : chunks) {
    std::vector<Place> places;
    for (int i = 0; i < count; i++) places.push_back({slot, start + i});
    float* const rows = x.data() + static_cast<size_t>(start) * SIZES.hidden;
    decoder.forward(rows, places, 0, count);
    std::vector<float> some(static_cast<size_t>(count) * VOCABULARY);
    decoder.head(rows, count, some.data());
    all.insert(all.end(), some.begin(), some.end());
    start += count;
  }
  return all;
}

// Which matrices may have activations of 8 bits: what each loses is in docs/decisions/0031. None may with a cache in float32.
void test_coarse() {
  const std::set<MatrixRole> coarse{MatrixRole::ATTENTION_OUTPUT, MatrixRole::GATE_UP, MatrixRole::DOWN, MatrixRole::SHARED_GATE_UP,
                                    MatrixRole::SHARED_DOWN};
  for (const CacheType type : ALL_TYPES) {
    Decoder decoder(SIZES, 1e-5f, type, 1);
    decoder.add_rope({std::vector<double>(8, 1.0), 1.0f});
    decoder.add_layer(plain_layer());
    for (int number = 0; number <= static_cast<int>(MatrixRole::HEAD); number++) {
      const auto role = enumerator<MatrixRole>(number);
      check(decoder.begin_matrix(0, role).coarse == (coarse.contains(role) && type != CacheType::F32),
            "activations of matrix role " + std::to_string(number) + " with cache type " + std::to_string(static_cast<int>(type)));
    }
  }
}

}  // namespace

void test_attention() {
  Random random(4);
  Threads threads(3);
  for (CacheType type : ALL_TYPES) {
    const float sinks[] = {0.5f, -3.0f, 2.0f, 7.0f, 0.0f, 1.0f};
    for (Attention shape : {Attention{1, 1, 8}, {6, 2, 24}, {9, 3, 64}, {5, 1, 16}, {6, 2, 24, 1}, {4, 2, 16, 100}, {2, 1, 8, 256},
                            {6, 3, 16, 0, 2.0f}, {6, 3, 16, 300, 0, sinks}, {5, 1, 32, 12, 3.0f, sinks}, {6, 2, 24, 0, 0, nullptr, true},
                            {4, 2, 16, 100, 2.0f, nullptr, true}, {5, 1, 16, 300, 0, sinks, true}}) {
      Kept kept(type, shape, random);
      check_attention(kept, {0, 1, 2}, threads, random);
      kept.cache.swap(0, 2);
      check_attention(kept, {2, 1, 0}, threads, random);
      kept.cache.copy(1, 0, Kept::LENGTH);
      check_attention(kept, {1, 1, 0}, threads, random);
    }
  }
}

// A cache in bytes holds what plain loops make of keys and values, bit by bit, where kv_cache.h says.
void test_bytes_cache() {
  Random random(21);
  for (const int dim : {8, 24, 32, 40, 64, 96}) {
    constexpr int LENGTH = 20;
    KvCache cache(CacheType::Q8, {{1, dim}}, 2, LENGTH);
    const int groups = (dim + 31) / 32;
    const size_t block = 8 * (dim + 2 * groups), half = 3 * block;
    std::vector<float> keys = normal(random, size_t(LENGTH) * dim), values = normal(random, size_t(LENGTH) * dim, 1e-4f);
    // Zeros, numbers that are not in float16's range, and such that only its denormal numbers scale.
    for (int d = 0; d < dim; d++) {
      keys[d] = 0;
      values[d] *= 1e-3f;
      keys[dim + d] *= 1e4f;
    }
    for (int p = 0; p < LENGTH; p++) cache.put(0, 1, 0, p, keys.data() + p * dim, values.data() + p * dim);
    std::vector<uint8_t> found(2 * half);
    cache.read(1, 0, LENGTH, found);
    for (int p = 0; p < LENGTH; p++) {
      const size_t start = p / 8 * block;
      for (int d = 0; d < dim; d += 32) {
        const int count = std::min(32, dim - d);
        const Group key(keys.data() + p * dim + d, count), value(values.data() + p * dim + d, count);
        const size_t scale = start + 8 * dim + 2 * (d / 32 * 8 + p % 8);
        check(are_half(found, scale, key.scale), "a key's scale is wrong");
        check(are_half(found, half + scale, value.scale), "a value's scale is wrong");
        for (int i = 0; i < count; i++) {
          const size_t of_key = start + (d + i) / 2 * 16 + p % 8 * 2 + (d + i) % 2, of_value = half + start + p % 8 * dim + d + i;
          check(static_cast<int8_t>(found[of_key]) == key.bytes[i], "a key's byte is wrong");
          check(static_cast<int8_t>(found[of_value]) == value.bytes[i], "a value's byte is wrong");
        }
      }
    }
  }
}

// A value that is not a number stays visible, and what is too large becomes the largest number, as in float16.
void test_bytes_not_finite() {
  Threads threads(1);
  const Attention shape{1, 1, 8};
  const std::vector<float> ones(8, 1.0f);
  const auto attended = [&](float key, float value, float query) {
    KvCache cache(CacheType::Q8, {{1, 8}}, 1, 8);
    std::vector<float> k = ones, v = ones, q = ones, out(8);
    k[3] = key;
    v[3] = value;
    q[5] = query;
    cache.put(0, 0, 0, 0, ones.data(), ones.data());
    cache.put(0, 0, 0, 1, k.data(), v.data());
    attend(cache, 0, shape, {{0, 1}}, q.data(), 8, out.data(), threads);
    return std::all_of(out.begin(), out.end(), [](float number) { return std::isfinite(number); });
  };
  check(attended(2, 2, 2), "finite numbers give others");
  check(attended(2, INFINITY, 2), "a value that is too large is not bounded");
  check(attended(-INFINITY, 2, 2), "a key that is too large is not bounded");
  check(!attended(2, NAN, 2), "a value that is not a number is lost");
  check(!attended(2, 2, NAN), "a query that is not a number is lost");
}

void test_decoder() {
  test_coarse();
  Random random(6);
  const std::vector<float> x = normal(random, size_t{70} * SIZES.hidden);
  for (CacheType type : ALL_TYPES) {
    const auto decoder = random_decoder(type, 3);
    const std::vector<float> whole = logits(*decoder, x, 0, {70});
    check(std::all_of(whole.begin(), whole.end(), [](float value) { return std::isfinite(value); }), "logits are finite");
    check(logits(*decoder, x, 1, {1, 2, 17, 3, 47}) == whole, "logits depend on the chunks");
    decoder->use_threads(1);
    check(logits(*decoder, x, 2, {33, 1, 36}) == whole, "logits depend on the threads");
    // Only the last row becomes logits, as for a prompt.
    decoder->use_threads(2);
    std::vector<Place> places;
    for (int i = 0; i < 70; i++) places.push_back({1, i});
    std::vector<float> rows = x, last(VOCABULARY);
    decoder->forward(rows.data(), places, 69, 1);
    decoder->head(rows.data() + size_t{69} * SIZES.hidden, 1, last.data());
    check(std::equal(last.begin(), last.end(), whole.end() - VOCABULARY), "logits depend on which rows are wanted");
    decoder->forward(rows.data(), places, 0, 0);
    decoder->forward(rows.data(), {}, 0, 0);
  }
}

// Of layers whose tokens see those after them, a call must have whole texts. Others do not change a text by a bit.
void test_texts() {
  std::vector<LayerShape> shapes(3, plain_layer());
  for (LayerShape& s : shapes) s.bidirectional = true;
  shapes[1].window = 9;
  Random random(9);
  const std::vector<float> x = normal(random, size_t{70} * SIZES.hidden);
  const auto decoder = random_decoder(CacheType::F32, 2, shapes);
  const auto run = [&](const std::vector<Place>& places, int first, int count) {
    std::vector<float> rows = x;
    decoder->forward(rows.data(), places, first, count);
    return std::vector<float>(rows.begin() + size_t(first) * SIZES.hidden, rows.begin() + size_t(first + count) * SIZES.hidden);
  };
  std::vector<Place> places;
  for (int i = 0; i < 70; i++) places.push_back({i < 50 ? 2 : 0, i < 50 ? i : i - 50});
  const std::vector<float> together = run(places, 0, 70);
  check(run({places.begin(), places.begin() + 50}, 0, 50) == std::vector<float>(together.begin(), together.begin() + 50 * SIZES.hidden),
        "a text depends on the others");
  check(run(places, 49, 1) == std::vector<float>(together.begin() + 49 * SIZES.hidden, together.begin() + 50 * SIZES.hidden),
        "a row depends on which rows are wanted");
  check(run({places.begin(), places.begin() + 49}, 0, 1) != std::vector<float>(together.begin(), together.begin() + SIZES.hidden),
        "a token does not see those after it");
  for (const std::vector<Place>& part : {std::vector<Place>{{0, 1}}, {{0, 0}, {0, 2}}, {{0, 0}, {0, 0}}, {{0, 0}, {1, 0}, {0, 1}}}) {
    check_throws<std::out_of_range>("not a whole text", [&] { run(part, 0, 1); });
  }
}

// A ring gives what a cache of all positions gives, however prompts are cut.
void test_ring() {
  constexpr int LENGTH = 900, RING = 256, WINDOW = 100, MOST = RING - WINDOW + 1;
  const Attention shape{4, 2, 16, WINDOW};
  Threads threads(2);
  for (CacheType type : {CacheType::F32, CacheType::F16, CacheType::Q8}) {
    Random random(8);
    KvCache full(type, {{2, 16}}, 2, LENGTH), ring(type, {{2, 16, RING}}, 2, LENGTH);
    const int stride = 8 * 16;
    for (int start = 0; start < LENGTH;) {
      const int n = std::min(LENGTH - start, 1 + below(random, MOST));
      const std::vector<float> rows = normal(random, static_cast<size_t>(n) * stride, 0.5f);
      std::vector<Place> places;
      for (int i = 0; i < n; i++) {
        places.push_back({1, start + i});
        for (int head = 0; head < 2; head++) {
          const float* key = rows.data() + static_cast<size_t>(i) * stride + (4 + head) * 16;
          for (KvCache* cache : {&full, &ring}) cache->put(0, 1, head, start + i, key, key + 2 * 16);
        }
      }
      std::vector<float> expected(static_cast<size_t>(n) * 4 * 16), found(expected);
      attend(full, 0, shape, places, rows.data(), stride, expected.data(), threads);
      attend(ring, 0, shape, places, rows.data(), stride, found.data(), threads);
      check(found == expected, "a ring differs from position " + std::to_string(start));
      start += n;
    }
  }
}

// A sequence goes on from a copied state, in its own slot and in another.
void test_states() {
  Random random(6);
  const std::vector<float> x = normal(random, size_t{70} * SIZES.hidden);
  const auto decoder = random_decoder(CacheType::F16, 2);
  const std::vector<float> whole = logits(*decoder, x, 0, {70});
  const auto run = [&](int slot, int start, int end) {
    std::vector<Place> places;
    for (int i = start; i < end; i++) places.push_back({slot, i});
    std::vector<float> rows(x.begin() + static_cast<size_t>(start) * SIZES.hidden, x.begin() + static_cast<size_t>(end) * SIZES.hidden);
    decoder->forward(rows.data(), places, 0, end - start);
    std::vector<float> some(static_cast<size_t>(end - start) * VOCABULARY);
    decoder->head(rows.data(), end - start, some.data());
    check(std::equal(some.begin(), some.end(), whole.begin() + static_cast<size_t>(start) * VOCABULARY),
          "slot " + std::to_string(slot) + " differs from position " + std::to_string(start));
  };
  run(0, 0, 33);
  decoder->cache().copy_state(0, 0, 0, 2);
  run(0, 33, 50);
  decoder->cache().copy(0, 1, 33);
  decoder->cache().copy_state(0, 2, 1, 0);
  run(1, 33, 70);
  decoder->cache().copy_state(0, 2, 0, 0);
  run(0, 33, 60);
  decoder->cache().swap(0, 2);
  run(2, 60, 70);
  check_throws<std::out_of_range>("state 3", [&] { decoder->cache().copy_state(0, 3, 1, 0); });
  check_throws<std::out_of_range>("slot 3", [&] { decoder->cache().copy_state(3, 0, 1, 0); });
  std::vector<float> rows(x.begin(), x.begin() + 3 * SIZES.hidden);
  check_throws<std::out_of_range>("one after the other", [&] { decoder->forward(rows.data(), {{0, 1}, {1, 1}, {0, 2}}, 0, 3); });
  check_throws<std::out_of_range>("one after the other", [&] { decoder->forward(rows.data(), {{0, 1}, {0, 3}}, 0, 2); });
}

// What is copied out of a slot and into another gives the same logits.
void test_copies() {
  Random random(12);
  const std::vector<float> x = normal(random, size_t{70} * SIZES.hidden);
  for (CacheType type : {CacheType::F32, CacheType::F16, CacheType::Q8}) {
    const auto decoder = random_decoder(type, 2);
    KvCache& cache = decoder->cache();
    const std::vector<float> whole = logits(*decoder, x, 0, {70});
    std::vector<uint8_t> first(1 << 20), second(1 << 20), state(1 << 20);
    const auto run = [&](int slot, int start, int end) {
      std::vector<Place> places;
      for (int i = start; i < end; i++) places.push_back({slot, i});
      std::vector<float> rows(x.begin() + static_cast<size_t>(start) * SIZES.hidden, x.begin() + static_cast<size_t>(end) * SIZES.hidden);
      decoder->forward(rows.data(), places, 0, end - start);
      std::vector<float> some(static_cast<size_t>(end - start) * VOCABULARY);
      decoder->head(rows.data(), end - start, some.data());
      return std::equal(some.begin(), some.end(), whole.begin() + static_cast<size_t>(start) * VOCABULARY);
    };
    check(run(1, 0, 53), "slot 1 gives other logits");
    cache.read(1, 0, 24, first);
    cache.read(1, 24, 53, second);
    cache.read_state(1, 0, state);
    cache.write(2, 0, 24, first);
    cache.write(2, 24, 53, second);
    cache.write_state(2, 0, state);
    check(run(2, 53, 70), "a copied slot gives other logits");
    check_throws<std::out_of_range>("no part of a slot", [&] { cache.read(1, 4, 8, first); });
    check_throws<std::out_of_range>("no part of a slot", [&] { cache.write(1, 0, cache.length() + 8, first); });
    check_throws<std::out_of_range>("slot 3", [&] { cache.write(3, 0, 8, first); });
    check_throws<std::out_of_range>("state 3", [&] { cache.read_state(1, 3, state); });
    check_throws<std::out_of_range>("bytes, not 7", [&] { cache.read(1, 0, 8, std::span(first).first(7)); });
  }
}

void test_errors() {
  Memory memory;
  check_throws<std::invalid_argument>("does not divide into blocks of 32", [&] { Matrix(Format::Q4, 16, 40, memory); });
  Matrix matrix(Format::Q8, 20, 64, memory);
  std::vector<float> out(64);
  std::vector<uint8_t> blocks(64 * 64), grids(GRIDS_BYTES);
  check_throws<std::out_of_range>("outside a matrix of 20 rows", [&] { matrix.read(20, out.data()); });
  check_throws<std::out_of_range>("3 rows from row 18", [&] { matrix.put_gguf(blocks, GgufType::Q8_0, grids, 18, 3, ONE_THREAD); });
  check_throws<std::out_of_range>("from row -1", [&] { matrix.put_quants({}, -1, 1); });
  check_throws<std::invalid_argument>("blocks have the size 4096; expected 68",
                                      [&] { matrix.put_gguf(blocks, GgufType::Q8_0, grids, 0, 1, ONE_THREAD); });
  check_throws<std::invalid_argument>("do not fit", [&] { matrix.put_plain(blocks, 0, 1, ONE_THREAD); });
  check_throws<std::invalid_argument>("do not fit", [&] { matrix.put_gguf(blocks, GgufType::Q4_0, grids, 0, 1, ONE_THREAD); });
  check_throws<std::invalid_argument>("does not divide into blocks of 256", [&] { Matrix(Format::Q4_K, 16, 288, memory); });
  Matrix q6(Format::Q6_K, 16, 256, memory);
  check_throws<std::invalid_argument>("half blocks", [&] { q6.read(0, out.data()); });
  check_throws<std::invalid_argument>("numbers of a table have the size 0; expected 16", [&] { Matrix(Format::CODES, 16, 32, memory); });
  const int8_t table[TABLE] = {};
  check_throws<std::invalid_argument>("numbers of a table have the size 16; expected 0",
                                      [&] { Matrix(Format::Q4, 16, 32, memory, table); });
  Activations x;
  x.resize(1, 96, {true, true});
  Activations fitting;
  fitting.resize(1, 64, {true, true});
  Threads threads(1);
  check_throws<std::invalid_argument>("activations of 96 columns",
                                      [&] { multiply(std::vector<Product>{{&x, 0, 1, &matrix, out.data(), 20, false}}, threads); });
  check_throws<std::out_of_range>("2 rows from row 0 on are outside the 1 rows of activations",
                                  [&] { multiply(std::vector<Product>{{&fitting, 0, 2, &matrix, out.data(), 20, false}}, threads); });
  check_throws<std::invalid_argument>("no weight format has the number 14", [] { enumerator<Format>(14); });
  check_throws<std::invalid_argument>("no cache type has the number -1", [] { enumerator<CacheType>(-1); });
  check_throws<std::invalid_argument>("no GGUF type of blocks has the number 9", [] { enumerator<GgufType>(9); });
  check_throws<std::invalid_argument>("no role of a vector has the number 25", [] { enumerator<VectorRole>(25); });
  check_throws<std::invalid_argument>("no role of a matrix has the number 11", [] { enumerator<MatrixRole>(11); });
  check_throws<std::invalid_argument>("no norm of heads has the number 3", [] { enumerator<HeadNorm>(3); });
  check_throws<std::invalid_argument>("no activation has the number -1", [] { enumerator<Activation>(-1); });
  check_throws<std::invalid_argument>("multiple of 8", [] { KvCache(CacheType::F16, {{1, 12}}, 1, 8); });
  KvCache cache(CacheType::F16, {{1, 8}}, 2, 8);
  check_throws<std::out_of_range>("slot 2", [&] { cache.copy(0, 2, 8); });
  check_throws<std::out_of_range>("slot -1", [&] { cache.swap(-1, 0); });
  check_throws<std::out_of_range>("-5 positions", [&] { cache.copy(0, 1, -5); });

  std::vector<float> rows(2 * SIZES.hidden), scores(VOCABULARY);
  Decoder empty(SIZES, 1e-5f, CacheType::F16, 1);
  const auto refused = [&](const char* why, auto&& change) {
    LayerShape shape = plain_layer();
    shape.rope = -1;
    change(shape);
    check_throws<std::invalid_argument>(why, [&] { empty.add_layer(shape); });
  };
  // The query heads of this one have 2^32 + 8192 values together.
  refused("too long", [](LayerShape& s) { s.heads = 524289, s.kv_heads = 1, s.dim = 8192; });
  // The first product of this one has 2^64 - 2^34 + 4 values, which are less than 0 as an int64_t.
  refused("too long", [](LayerShape& s) { s.heads = s.kv_heads = s.dim = 2147483647, s.gated = true; });
  refused("too long", [](LayerShape& s) { s.kernel = 4, s.key_dim = 8, s.heads = s.kv_heads = 2147483647, s.dim = 2147483640; });
  refused("no multiple", [](LayerShape& s) { s.heads = 7; });
  refused("at least 1", [](LayerShape& s) { s.width = 0; });
  refused("too long", [](LayerShape& s) { s.width = 1 << 30; });
  refused("impossible", [](LayerShape& s) { s.experts = 2; });
  refused("impossible", [](LayerShape& s) { s.experts = 2, s.used_experts = 3; });
  refused("impossible", [](LayerShape& s) { s.shared_width = 32; });
  refused("impossible", [](LayerShape& s) { s.ring = 256; });
  refused("impossible", [](LayerShape& s) { s.window = 300, s.ring = 256; });
  refused("impossible", [](LayerShape& s) { s.bidirectional = true, s.window = 9, s.ring = 256; });
  refused("impossible", [](LayerShape& s) { s.bidirectional = true, s.kernel = 4, s.key_dim = 16; });
  refused("impossible", [](LayerShape& s) { s.kernel = 4, s.key_dim = 12; });
  refused("at least 1", [](LayerShape& s) { s.kernel = 4; });
  refused("too long", [](LayerShape& s) { s.kernel = 4, s.key_dim = 1 << 30; });
  check_throws<std::invalid_argument>("ring of 100", [] { KvCache(CacheType::F16, {{1, 8, 100}}, 1, 8); });
  refused("impossible", [](LayerShape& s) { s.shared_width = -1; });
  refused("too long", [](LayerShape& s) { s.experts = 2, s.used_experts = 1, s.shared_width = 2147483647; });
  refused("layer 0 has no keys of", [](LayerShape& s) { s.keys_of = 0; });
  refused("rotary positions of number 0", [](LayerShape& s) { s.rope = 0; });
  check_throws<std::bad_alloc>("MB for the KV cache", [] {
    KvCache(CacheType::F16, std::vector<KvCache::Layer>(1 << 10, {1 << 20, 8}), 1 << 20, 1 << 20);
  });
  check_throws<std::bad_alloc>("18446744065120 MB for weights", [&] { Matrix(Format::F32, 2147483647, 2147483647, memory); });
  check_throws<std::logic_error>("not loaded", [&] { empty.forward(rows.data(), {{0, 0}}, 0, 1); });
  check_throws<std::logic_error>("not loaded", [&] { empty.head(rows.data(), 1, scores.data()); });
  const auto decoder = random_decoder(CacheType::F16, 1);
  check_throws<std::out_of_range>("position 70 of slot 0", [&] { decoder->forward(rows.data(), {{0, 70}}, 0, 1); });
  check_throws<std::out_of_range>("of slot 3", [&] { decoder->forward(rows.data(), {{3, 0}}, 0, 1); });
  check_throws<std::out_of_range>("rows 1 to 3", [&] { decoder->forward(rows.data(), {{0, 0}, {0, 1}}, 1, 2); });
}

namespace {

constexpr int LARGE[] = {-1, 0, 1 << 20, (1 << 24) + 1, 1 << 30, 2147483647};

int damaged(int size, Random& random) {
  switch (below(random, 150)) {
    case 0: return LARGE[below(random, 6)];
    case 1: return size + 1;
    case 2: return size - 1;
    default: return size;
  }
}

// A matrix of damaged sizes, filled as far as that is possible here.
void add_damaged(Decoder& decoder, int layer, MatrixRole role, const std::vector<int>& rows, int columns, Random& random) {
  Weights& weights = decoder.begin_matrix(layer, role);
  for (int all : rows) {
    const Format format = ALL_FORMATS[below(random, 7)];
    const int count = damaged(all, random), width = damaged(columns, random);
    Matrix matrix(format, count, width, decoder.memory);
    // A damaged size may be too large to be filled here.
    if (count > 0 && width > 0 && int64_t{count} * width < 1 << 16) {
      const int from = damaged(count, random), first = static_cast<int>(std::max(-2147483648L, int64_t{count} - from));
      // Enough to be too many, and little memory.
      const size_t quants = static_cast<size_t>(std::clamp(damaged(count * width, random), 0, 1 << 20));
      if (is_quantised(format)) {
        Quants block{{}, {0.01f, 0.01f}, {0.01f, 0.01f}, {}, {}};
        std::fill_n(block.quants, BLOCK, 3);
        matrix.put_quants(std::vector<Quants>(quants / BLOCK, block), first, from);
      } else {
        matrix.put_plain(std::vector<uint8_t>(quants * number_bytes(format)), first, from, ONE_THREAD);
      }
    }
    weights.parts.push_back(matrix);
    weights.rows = static_cast<int>(std::min<int64_t>(int64_t{weights.rows} + count, 2147483647));
  }
}

LayerShape damaged_shape(Random& random) {
  LayerShape s = plain_layer();
  s.kv_heads = 1 + below(random, 3);
  s.heads = damaged(s.kv_heads * (1 + below(random, 3)), random);
  s.kv_heads = damaged(s.kv_heads, random);
  s.dim = damaged(8 * (1 + below(random, 4)), random);
  s.window = below(random, 2) == 0 ? 0 : damaged(1 + below(random, 9), random);
  s.rope = damaged(below(random, 2) - 1, random);
  s.head_norm = static_cast<HeadNorm>(below(random, 3));
  s.norm_before = below(random, 2) == 0;
  s.norm_after = below(random, 2) == 0;
  s.activation = static_cast<Activation>(below(random, 3));
  s.width = damaged(32 * (1 + below(random, 3)), random);
  s.experts = below(random, 3) == 0 ? damaged(1 + below(random, 4), random) : 0;
  s.used_experts = s.experts == 0 ? 0 : damaged(1 + below(random, s.experts > 0 && s.experts < 9 ? s.experts : 1), random);
  if (s.window > 0 && below(random, 2) == 0) s.ring = damaged(256, random);
  s.gated = below(random, 3) == 0;
  s.tiled = below(random, 2) == 0;
  if (s.experts > 0 && below(random, 2) == 0) s.shared_width = damaged(32, random);
  if (below(random, 3) == 0) {
    s.kernel = damaged(1 + below(random, 4), random);
    s.key_dim = damaged(8 * (1 + below(random, 3)), random);
    s.window = s.ring = 0;
  }
  return s;
}

// Loads and runs a model in which some sizes are not what they should be.
void run_damaged_model(Random& random) {
  const auto size = [&](int most) { return damaged(1 + below(random, most), random); };
  const Sizes sizes{damaged(32 * (1 + below(random, 3)), random), damaged(VOCABULARY, random), size(3), size(40)};
  Decoder decoder(sizes, 1e-5f, static_cast<CacheType>(below(random, 4)), 1);
  decoder.add_rope({std::vector<double>(std::clamp(damaged(4, random), 0, 1 << 16), 0.1), 1.0f});
  std::vector<LayerShape> shapes;
  for (int i = below(random, 3); i >= 0; i--) {
    const LayerShape s = damaged_shape(random);
    decoder.add_layer(s);
    // Filling these would take long, and finds nothing more.
    if (s.input_width() > 4096 || s.width > 4096 || s.shared_width > 4096 || s.kernel > 99 || s.experts > 9) return;
    shapes.push_back(s);
  }
  if (sizes.hidden > 4096) return;
  // ThreadSanitizer takes memory of its own for a large cache, although nothing touches it.
  double cached = 0;
  for (const LayerShape& s : shapes) {
    const double each = s.is_delta() ? 12.0 * s.heads * s.dim * s.key_dim : 8.0 * s.kv_heads * s.dim * std::max(sizes.length, 3 * s.ring);
    cached += each * sizes.slots;
  }
  if (cached > 1 << 30 && cached < 0x1p62) return;
  decoder.allocate();
  const auto put = [&](int layer, VectorRole role, int length) {
    decoder.put_vector(layer, role, std::vector<float>(std::clamp(damaged(length, random), 0, 1 << 16), 0.5f));
  };
  for (int i = 0; i < static_cast<int>(shapes.size()); i++) {
    const LayerShape& s = shapes[i];
    const int keys = s.kv_heads * s.dim, blocks = std::max(1, s.experts);
    add_damaged(decoder, i, MatrixRole::QKV, {s.input_width()}, sizes.hidden, random);
    if (s.is_delta()) {
      put(i, VectorRole::CONVOLUTION, s.kernel * (2 * s.kv_heads * s.key_dim + s.query_width()));
      put(i, VectorRole::DECAY, s.heads);
      put(i, VectorRole::DECAY_BIAS, s.heads);
      put(i, VectorRole::READ_WEIGHTS, s.dim);
    }
    if (s.shared_width > 0) {
      add_damaged(decoder, i, MatrixRole::SHARED_GATE_UP, {2 * s.shared_width}, sizes.hidden, random);
      add_damaged(decoder, i, MatrixRole::SHARED_DOWN, {sizes.hidden}, s.shared_width, random);
      put(i, VectorRole::SHARED_GATE, sizes.hidden);
    }
    add_damaged(decoder, i, MatrixRole::ATTENTION_OUTPUT, {sizes.hidden}, s.query_width(), random);
    if (s.experts > 0) add_damaged(decoder, i, MatrixRole::ROUTER, {s.experts}, sizes.hidden, random);
    for (int e = 0; e < blocks; e++) {
      add_damaged(decoder, i, MatrixRole::GATE_UP, {s.width, s.width}, sizes.hidden, random);
      add_damaged(decoder, i, MatrixRole::DOWN, {sizes.hidden}, s.width, random);
    }
    put(i, VectorRole::ATTENTION_NORM, s.norm_before ? sizes.hidden : 0);
    put(i, VectorRole::FEED_FORWARD_NORM, s.norm_before ? sizes.hidden : 0);
    put(i, VectorRole::ATTENTION_POST_NORM, s.norm_after ? sizes.hidden : 0);
    put(i, VectorRole::FEED_FORWARD_POST_NORM, s.norm_after ? sizes.hidden : 0);
    put(i, VectorRole::HEAD_NORMS, s.is_normed() ? s.query_width() + keys : 0);
    if (!s.is_delta() && below(random, 2) == 0) put(i, VectorRole::QKV_BIAS, s.input_width());
    if (below(random, 2) == 0) put(i, VectorRole::SINKS, s.heads);
    if (below(random, 2) == 0) put(i, VectorRole::GATE_UP_BIAS, blocks * 2 * s.width);
    if (below(random, 2) == 0) put(i, VectorRole::DOWN_BIAS, blocks * sizes.hidden);
  }
  put(-1, VectorRole::OUTPUT_NORM, sizes.hidden);
  add_damaged(decoder, -1, MatrixRole::HEAD, {VOCABULARY}, sizes.hidden, random);
  const int n = 1 + below(random, 5);
  std::vector<Place> places;
  for (int i = 0; i < n; i++) places.push_back({damaged(0, random), damaged(i, random)});
  std::vector<float> rows(static_cast<size_t>(n) * sizes.hidden, 0.1f), logits(static_cast<size_t>(n) * VOCABULARY);
  decoder.forward(rows.data(), places, damaged(0, random), damaged(n, random));
  if (sizes.vocabulary == VOCABULARY) decoder.head(rows.data(), n, logits.data());
}

}  // namespace

// A model file chooses all sizes. None of them may lead outside a buffer, which the sanitizers see.
void test_damaged_models() {
  int ran = 0;
  for (unsigned seed = 0; seed < 300; seed++) {
    Random random(seed);
    try {
      run_damaged_model(random);
      ran++;
    } catch (const std::exception&) {
    }
  }
  check(ran > 10 && ran < 270, std::to_string(ran) + " of 300 damaged models ran: the damage is too little or too much");
}
