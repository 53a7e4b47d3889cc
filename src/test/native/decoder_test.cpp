// The cache, attention, the decoder and its errors.
#include <algorithm>
#include <memory>
#include <stdexcept>

#include "attention.h"
#include "check.h"
#include "decoder.h"

using namespace llmworker;

namespace {

struct AttentionShape {
  int heads, kv_heads, dim;
};

// What a cache of this type makes of a number.
float rounded(CacheType type, float value) {
  switch (type) {
    case CacheType::F32: return value;
    case CacheType::F16: return half_to_float(float_to_half(value));
    case CacheType::BF16: return bfloat_to_float(float_to_bfloat(value));
  }
  return 0;
}

// Keys and values [slots, length, kv_heads, dim] as the cache holds them, and by plain loops.
struct Kept {
  static constexpr int LAYERS = 2, SLOTS = 3, LENGTH = 610;

  AttentionShape shape;
  KvCache cache;
  std::vector<float> keys, values;

  Kept(CacheType type, AttentionShape s, Random& random)
      : shape(s), cache(type, LAYERS, SLOTS, s.kv_heads, s.dim, LENGTH) {
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
    for (float& key : keys) key = rounded(type, key);
    for (float& value : values) value = rounded(type, value);
  }

  size_t place(int slot, int position, int head) const {
    return ((static_cast<size_t>(slot) * LENGTH + position) * shape.kv_heads + head) * shape.dim;
  }

  // Attention of one query, by plain loops: [dim].
  std::vector<double> attend(const float* q, int slot, int position, int head) const {
    std::vector<double> scores(position + 1), out(shape.dim, 0.0);
    double sum = 0.0;
    for (int p = 0; p <= position; p++) {
      double score = 0.0;
      for (int d = 0; d < shape.dim; d++) score += double{q[d]} * keys[place(slot, p, head) + d];
      sum += scores[p] = std::exp(score);
    }
    for (int p = 0; p <= position; p++) {
      for (int d = 0; d < shape.dim; d++) out[d] += scores[p] / sum * values[place(slot, p, head) + d];
    }
    return out;
  }
};

// Parts of a prompt, single rows, one position, the ends of pieces: by slots, after slots were swapped or not.
const std::vector<Place> PLACES = {{0, 0},   {1, 255}, {2, 256}, {0, 7},   {1, 590}, {1, 591}, {1, 592}, {1, 593}, {1, 594},
                                   {1, 595}, {1, 596}, {1, 597}, {1, 598}, {1, 599}, {2, 609}, {0, 511}, {0, 512}, {0, 100}};

void check_attention(const Kept& kept, const int (&slots)[3], Threads& threads, Random& random) {
  const AttentionShape s = kept.shape;
  const int n = static_cast<int>(PLACES.size()), stride = (s.heads + 2 * s.kv_heads) * s.dim;
  const std::vector<float> q = normal(random, static_cast<size_t>(n) * stride, 0.5f);
  std::vector<float> out(static_cast<size_t>(n) * s.heads * s.dim);
  attend(kept.cache, 1, PLACES, s.heads, s.kv_heads, s.dim, q.data(), stride, out.data(), threads);
  for (int i = 0; i < n; i++) {
    for (int h = 0; h < s.heads; h++) {
      const auto expected = kept.attend(q.data() + static_cast<size_t>(i) * stride + h * s.dim, slots[PLACES[i].slot],
                                        PLACES[i].position, h / (s.heads / s.kv_heads));
      const float* found = out.data() + (static_cast<size_t>(i) * s.heads + h) * s.dim;
      for (int d = 0; d < s.dim; d++) {
        check(std::abs(found[d] - expected[d]) < 2e-5, "attention of row " + std::to_string(i) + " is wrong");
      }
    }
    std::vector<float> alone(static_cast<size_t>(s.heads) * s.dim);
    attend(kept.cache, 1, {PLACES[i]}, s.heads, s.kv_heads, s.dim, q.data() + static_cast<size_t>(i) * stride, stride, alone.data(),
           threads);
    check(std::memcmp(alone.data(), out.data() + i * alone.size(), 4 * alone.size()) == 0,
          "attention of row " + std::to_string(i) + " depends on the others");
  }
}

constexpr Sizes SIZES{2, 96, 6, 2, 16, 160, 3, 70};
constexpr int VOCABULARY = 53;

// A decoder with random weights of all formats.
std::unique_ptr<Decoder> random_decoder(CacheType cache, int threads) {
  Random random(5);
  auto decoder = std::make_unique<Decoder>(SIZES, 1e-5f, cache, threads);
  int next = 0;
  const auto add = [&](std::vector<int> rows, int columns) {
    decoder->weights.emplace_back();
    for (int count : rows) {
      const Format format = ALL_FORMATS[next++ % 7];
      decoder->weights.back().parts.push_back(random_matrix(format, count, columns, decoder->memory, random).matrix);
      decoder->weights.back().rows += count;
    }
  };
  for (int layer = 0; layer < SIZES.layers; layer++) {
    add({SIZES.heads * SIZES.dim, SIZES.kv_heads * SIZES.dim, SIZES.kv_heads * SIZES.dim}, SIZES.hidden);
    add({SIZES.hidden}, SIZES.heads * SIZES.dim);
    add({SIZES.feed_forward, SIZES.feed_forward}, SIZES.hidden);
    add({SIZES.hidden}, SIZES.feed_forward);
    decoder->biases.push_back(normal(random, (SIZES.heads + 2 * SIZES.kv_heads) * SIZES.dim));
    decoder->head_norms.push_back(normal(random, (SIZES.heads + SIZES.kv_heads) * SIZES.dim));
  }
  add({VOCABULARY}, SIZES.hidden);
  for (int i = 0; i < 2 * SIZES.layers + 1; i++) decoder->norms.push_back(normal(random, SIZES.hidden));
  for (int i = 0; i < SIZES.dim / 2; i++) decoder->frequencies.push_back(std::pow(10000.0, -2.0 * i / SIZES.dim));
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

}  // namespace

void test_attention() {
  Random random(4);
  Threads threads(3);
  for (CacheType type : {CacheType::F32, CacheType::F16, CacheType::BF16}) {
    for (AttentionShape shape : {AttentionShape{1, 1, 8}, {6, 2, 24}, {9, 3, 64}, {5, 1, 16}}) {
      Kept kept(type, shape, random);
      check_attention(kept, {0, 1, 2}, threads, random);
      kept.cache.swap(0, 2);
      check_attention(kept, {2, 1, 0}, threads, random);
      kept.cache.copy(1, 0, Kept::LENGTH);
      check_attention(kept, {1, 1, 0}, threads, random);
    }
  }
}

void test_decoder() {
  Random random(6);
  const std::vector<float> x = normal(random, size_t{70} * SIZES.hidden);
  for (CacheType type : {CacheType::F32, CacheType::F16, CacheType::BF16}) {
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

void test_errors() {
  Memory memory;
  check_throws<std::invalid_argument>("does not divide into blocks of 32", [&] { Matrix(Format::Q4, 16, 40, memory); });
  Matrix matrix(Format::Q8, 20, 64, memory);
  std::vector<float> out(64);
  std::vector<uint8_t> blocks(64 * 64);
  check_throws<std::out_of_range>("outside a matrix of 20 rows", [&] { matrix.read(20, out.data()); });
  check_throws<std::out_of_range>("3 rows from row 18", [&] { matrix.put_gguf(blocks, GgufType::Q8_0, 18, 3); });
  check_throws<std::out_of_range>("from row -1", [&] { matrix.put_quants(blocks, out, out, -1, 1); });
  check_throws<std::invalid_argument>("blocks have the size 4096; expected 68",
                                      [&] { matrix.put_gguf(blocks, GgufType::Q8_0, 0, 1); });
  check_throws<std::invalid_argument>("do not fit", [&] { matrix.put_plain(blocks, 0, 1); });
  check_throws<std::invalid_argument>("do not fit", [&] { matrix.put_gguf(blocks, GgufType::Q4_0, 0, 1); });
  Matrix q6(Format::Q8_HALF_BLOCKS, 16, 32, memory);
  check_throws<std::invalid_argument>("Q6_K", [&] { q6.read(0, out.data()); });
  Activations x;
  x.resize(1, 96);
  Threads threads(1);
  check_throws<std::invalid_argument>("activations of 96 columns",
                                      [&] { multiply(x, matrix, out.data(), 20, false, threads); });
  check_throws<std::invalid_argument>("no weight format has the number 7", [] { enumerator<Format>(7); });
  check_throws<std::invalid_argument>("no cache type has the number -1", [] { enumerator<CacheType>(-1); });
  check_throws<std::invalid_argument>("no GGUF type of blocks has the number 6", [] { enumerator<GgufType>(6); });
  check_throws<std::invalid_argument>("no kind of vector has the number 3", [] { enumerator<VectorKind>(3); });
  check_throws<std::invalid_argument>("multiple of 8", [] { KvCache(CacheType::F16, 1, 1, 1, 12, 8); });
  KvCache cache(CacheType::F16, 1, 2, 1, 8, 8);
  check_throws<std::out_of_range>("slot 2", [&] { cache.copy(0, 2, 8); });
  check_throws<std::out_of_range>("slot -1", [&] { cache.swap(-1, 0); });
  check_throws<std::out_of_range>("-5 positions", [&] { cache.copy(0, 1, -5); });

  std::vector<float> rows(2 * SIZES.hidden), scores(VOCABULARY);
  // The query heads of this one have 2^32 + 8192 values together.
  const Sizes overflowing{1, 32, 524289, 1, 8192, 32, 1, 64};
  check_throws<std::invalid_argument>("too long", [&] { Decoder(overflowing, 1e-5f, CacheType::F16, 1); });
  check_throws<std::bad_alloc>("", [] { KvCache(CacheType::F16, 1 << 20, 1 << 20, 1 << 20, 8, 1 << 20); });
  check_throws<std::bad_alloc>("", [&] { Matrix(Format::F32, 2147483647, 2147483647, memory); });
  Decoder empty(SIZES, 1e-5f, CacheType::F16, 1);
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

// Loads and runs a model in which some sizes are not what they should be.
void run_damaged_model(Random& random) {
  const auto size = [&](int most) { return damaged(1 + below(random, most), random); };
  const int kv_heads = 1 + below(random, 3);
  const Sizes sizes{size(3), damaged(32 * (1 + below(random, 3)), random), damaged(kv_heads * (1 + below(random, 3)), random),
                    damaged(kv_heads, random), damaged(8 * (1 + below(random, 4)), random),
                    damaged(32 * (1 + below(random, 3)), random), size(3), size(40)};
  Decoder decoder(sizes, 1e-5f, static_cast<CacheType>(below(random, 3)), 1);
  const int out = sizes.heads * sizes.dim, kv = sizes.kv_heads * sizes.dim;
  // Filling these would take long, and finds nothing more.
  if (sizes.layers > 8 || out + 2 * kv > 4096 || sizes.hidden > 4096 || sizes.feed_forward > 4096) return;
  const auto add = [&](std::vector<int> rows, int columns) {
    decoder.weights.emplace_back();
    for (int all : rows) {
      const Format format = ALL_FORMATS[below(random, 7)];
      const int count = damaged(all, random), width = damaged(columns, random);
      Matrix matrix(format, count, width, decoder.memory);
      // A damaged size may be too large to be filled here.
      if (count > 0 && width > 0 && int64_t{count} * width < 1 << 16) {
        const int from = damaged(count, random), first = static_cast<int>(std::max(-2147483648L, int64_t{count} - from)), scales = BLOCK / scales_a_block(format);
        const size_t quants = static_cast<size_t>(std::max(0, damaged(count * width, random)));
        if (is_quantised(format)) {
          const std::vector<float> figures(quants / scales, 0.01f);
          matrix.put_quants(std::vector<uint8_t>(quants, 3), figures, figures, first, from);
        } else {
          matrix.put_plain(std::vector<uint8_t>(quants * number_bytes(format)), first, from);
        }
      }
      decoder.weights.back().parts.push_back(matrix);
      decoder.weights.back().rows = static_cast<int>(std::min<int64_t>(int64_t{decoder.weights.back().rows} + count, 2147483647));
    }
  };
  const auto vectors = [&](std::vector<std::vector<float>>& to, int count, int length) {
    for (int i = 0; i < count; i++) to.emplace_back(std::clamp(damaged(length, random), 0, 1 << 16), 0.5f);
  };
  for (int layer = 0; layer < sizes.layers; layer++) {
    add({out, kv, kv}, sizes.hidden);
    add({sizes.hidden}, out);
    add({sizes.feed_forward, sizes.feed_forward}, sizes.hidden);
    add({sizes.hidden}, sizes.feed_forward);
  }
  add({VOCABULARY}, sizes.hidden);
  vectors(decoder.norms, damaged(2 * sizes.layers + 1, random) % 100, sizes.hidden);
  if (below(random, 2) == 0) vectors(decoder.biases, damaged(sizes.layers, random) % 100, out + 2 * kv);
  if (below(random, 2) == 0) vectors(decoder.head_norms, damaged(sizes.layers, random) % 100, out + kv);
  decoder.frequencies.assign(std::clamp(damaged(sizes.dim / 2, random), 0, 1 << 16), 0.1);
  const int n = 1 + below(random, 5);
  std::vector<Place> places;
  for (int i = 0; i < n; i++) places.push_back({damaged(0, random), damaged(i, random)});
  std::vector<float> rows(static_cast<size_t>(n) * sizes.hidden, 0.1f), logits(static_cast<size_t>(n) * VOCABULARY);
  decoder.forward(rows.data(), places, damaged(0, random), damaged(n, random));
  if (decoder.vocabulary() == VOCABULARY) decoder.head(rows.data(), n, logits.data());
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
