// Vectors, matrices and products.
#include <algorithm>
#include <cmath>
#include <limits>

#include "check.h"
#include "matmul.h"
#include "simd.h"
#include "threads.h"

using namespace llmworker;

namespace {

const float INFINITE = std::numeric_limits<float>::infinity();
// Activations are rounded to 1/32639 of a block's largest value, or less. Sums are in float.
constexpr double PRODUCT_TOLERANCE = 2e-4;
// Activations of 8 bits are off by at most half of 1/127 of a block's largest value, or of 1/16384 of the row's.
constexpr double COARSE_ERROR = 0.5 / 127 * 1.001, COARSE_ROW_ERROR = 0.5 / 127 / LARGEST_MULTIPLE;

std::string name(Format format) { return "format " + std::to_string(static_cast<int>(format)); }


// Quants are below this.
int quants_end(Format format) { return has_nibbles(format) ? 16 << high_bits(format) : 256; }

int value(Format format, uint8_t quant) {
  if (has_codes(format)) return CODES[quant];
  if (format == Format::Q8) return static_cast<int8_t>(quant);
  return has_offset(format) ? quant : quant - middle(format);
}

// Blocks of `quant` with these scales and offsets. In formats with steps these are the units, and steps are 1.
std::vector<Quants> equal_blocks(size_t count, int quant, float scale, float offset) {
  Quants block{{}, {scale, scale}, {offset, offset}, {{1, 1}, {1, 1}}, {float_to_half(scale), float_to_half(offset)}};
  std::fill_n(block.quants, BLOCK, static_cast<uint8_t>(quant));
  return std::vector<Quants>(count, block);
}

std::vector<Quants> random_quants(Format format, size_t count, Random& random) {
  std::vector<Quants> blocks(count);
  for (size_t b = 0; b < count; b++) {
    Quants& block = blocks[b];
    for (uint8_t& quant : block.quants) quant = static_cast<uint8_t>(below(random, quants_end(format)));
    const std::vector<float> scales = normal(random, 2, 0.01f), offsets = normal(random, 2, 0.1f);
    std::copy(scales.begin(), scales.end(), block.scales);
    std::copy(offsets.begin(), offsets.end(), block.offsets);
    for (auto& steps : block.steps) {
      for (int8_t& step : steps) step = static_cast<int8_t>(random());
    }
    const bool goes_on = b % (GROUP / BLOCK) != 0;
    block.units[0] = goes_on ? blocks[b - 1].units[0] : float_to_half(scales[0] / 64);
    block.units[1] = goes_on ? blocks[b - 1].units[1] : float_to_half(offsets[0] / 64);
  }
  return blocks;
}

// The scale (kind 0) or offset (1) of column `column` of a block, as it is held.
float held(Format format, const Quants& block, int kind, int column) {
  const int part = column / (BLOCK / scales_a_block(format));
  if (has_steps(format)) return static_cast<float>(block.steps[kind][part]) * half_to_float(block.units[kind]);
  return half_to_float(float_to_half((kind == 0 ? block.scales : block.offsets)[part]));
}

void fill_quants(Weighed& w, int first, int count, Random& random) {
  const Format format = w.matrix.format();
  const int columns = w.matrix.columns();
  const std::vector<Quants> blocks = random_quants(format, static_cast<size_t>(count) * columns / BLOCK, random);
  check(w.matrix.put_quants(blocks, first, count), "scales are finite");
  float* to = w.numbers.data() + static_cast<size_t>(first) * columns;
  for (const Quants& block : blocks) {
    for (int i = 0; i < BLOCK; i++) {
      *to++ = value(format, block.quants[i]) * held(format, block, 0, i) + (has_offset(format) ? held(format, block, 1, i) : 0.0f);
    }
  }
}

void fill_plain(Weighed& w, int first, int count, Random& random) {
  const std::vector<float> numbers = normal(random, static_cast<size_t>(count) * w.matrix.columns());
  float* const to = w.numbers.data() + static_cast<size_t>(first) * w.matrix.columns();
  if (w.matrix.format() == Format::F32) {
    w.matrix.put_plain(bytes_of(numbers), first, count, ONE_THREAD);
    std::copy(numbers.begin(), numbers.end(), to);
    return;
  }
  const bool half = w.matrix.format() == Format::F16;
  std::vector<uint16_t> bits(numbers.size());
  for (size_t i = 0; i < bits.size(); i++) {
    bits[i] = half ? float_to_half(numbers[i]) : float_to_bfloat(numbers[i]);
    to[i] = half ? half_to_float(bits[i]) : bfloat_to_float(bits[i]);
  }
  w.matrix.put_plain(bytes_of(bits), first, count, ONE_THREAD);
}

void test_reading(Format format, int rows, int columns, Random& random) {
  columns = fitting_columns(format, columns);
  Memory memory;
  const Weighed w = random_matrix(format, rows, columns, memory, random);
  std::vector<float> row(columns);
  for (int i = 0; i < rows; i++) {
    w.matrix.read(i, row.data());
    const bool same = std::equal(row.begin(), row.end(), w.numbers.begin() + static_cast<size_t>(i) * columns);
    check(same, name(format) + ", " + std::to_string(columns) + " columns: row " + std::to_string(i) + " differs");
  }
}

// A scale or offset that is finite, but not in half precision, is noticed.
void test_large_scales() {
  constexpr int COLUMNS = 256, ROWS = 3;
  constexpr float LARGEST = 65504.0f, ABOVE = -65520.0f;
  for (const Format format : ALL_FORMATS) {
    if (!is_quantised(format)) continue;
    Memory memory;
    Matrix matrix(format, ROWS, COLUMNS, memory, table_of(format));
    std::vector<Quants> blocks = equal_blocks(ROWS * COLUMNS / BLOCK, 1, LARGEST, LARGEST);
    check(matrix.put_quants(blocks, 0, ROWS), "the largest half is finite");
    blocks.back() = equal_blocks(1, 1, ABOVE, LARGEST)[0];
    check(!matrix.put_quants(blocks, 0, ROWS), "a scale above all halves is noticed");
    blocks.back() = equal_blocks(1, 1, LARGEST, ABOVE)[0];
    check(matrix.put_quants(blocks, 0, ROWS) != has_offset(format), "an offset above all halves is noticed");
  }
}

struct Shape {
  int rows, columns, n;
};

struct Way {
  Products fine, coarse;
  const char* name;
};

// The ways to multiply that this CPU has.
std::vector<Way> ways() {
  std::vector<Way> all;
  for (const Way& way : {Way{Products::WORDS, Products::WORDS, "words"}, Way{Products::DOTS, Products::DOTS, "dots"},
                         Way{Products::BLOCKS, Products::DOTS, "blocks"}, Way{Products::WORDS, Products::PAIRS, "pairs"}}) {
    if (can_multiply(way.fine) && can_multiply(way.coarse)) all.push_back(way);
  }
  return all;
}

void put_all(Activations& activations, const std::vector<float>& x, int n, int columns) {
  activations.resize(n, columns, {true, true});
  for (int i = 0; i < n; i++) activations.put(i, x.data() + static_cast<size_t>(i) * columns);
}

// All ways have the same bits.
void test_ways(const Product& product, const std::vector<float>& before, const std::vector<float>& found,
               const std::vector<float>& x, const std::string& what, Threads& threads) {
  for (const Way& way : ways()) {
    Activations activations(way.fine, way.coarse);
    put_all(activations, x, product.rows, product.x->columns());
    std::vector<float> out = before;
    Product same = product;
    same.x = &activations;
    same.out = out.data();
    multiply({&same, 1}, threads);
    check(std::memcmp(out.data(), found.data(), 4 * out.size()) == 0, what + ": the bits of " + way.name + " differ");
  }
}

// How far each of a row's activations may be off because they are rounded to 8 bits.
std::vector<float> coarse_errors(const Matrix& matrix, const float* row) {
  const int columns = matrix.columns();
  std::vector<float> errors(columns);
  if (matrix.bits() == Bits::SIXTEEN) return errors;
  float most = 0;
  for (int c = 0; c < columns; c++) most = std::max(most, std::abs(row[c]));
  for (int first = 0; first < columns; first += BLOCK) {
    float largest = 0;
    for (int c = first; c < first + BLOCK; c++) largest = std::max(largest, std::abs(row[c]));
    const auto error = static_cast<float>(COARSE_ERROR * largest + COARSE_ROW_ERROR * most);
    std::fill(errors.begin() + first, errors.begin() + first + BLOCK, error);
  }
  return errors;
}

// The product of random activations, and the same by plain loops. The results have a border that must stay as it is.
void test_product(Format format, Shape shape, bool add, bool coarse, Threads& threads, Random& random) {
  shape.columns = fitting_columns(format, shape.columns);
  Memory memory;
  const Weighed w = random_matrix(format, shape.rows, shape.columns, memory, random, coarse);
  const std::vector<float> x = normal(random, static_cast<size_t>(shape.n) * shape.columns);
  Activations activations;
  put_all(activations, x, shape.n, shape.columns);
  const int stride = shape.rows + 3;
  const std::vector<float> before(static_cast<size_t>(shape.n) * stride, 0.5f);
  std::vector<float> out = before;
  const Product product{&activations, 0, shape.n, &w.matrix, out.data(), stride, add};
  multiply({&product, 1}, threads);
  const std::string what = name(format) + ", " + std::to_string(shape.n) + " times " + std::to_string(shape.rows) + " rows of " +
                           std::to_string(shape.columns) + (w.matrix.bits() == Bits::EIGHT ? " in 8 bits" : "");
  for (int i = 0; i < shape.n; i++) {
    const std::vector<float> errors = coarse_errors(w.matrix, x.data() + static_cast<size_t>(i) * shape.columns);
    for (int r = 0; r < stride; r++) {
      const float found = out[static_cast<size_t>(i) * stride + r];
      if (r >= shape.rows) {
        check(found == 0.5f, what + ": writes behind its rows");
        continue;
      }
      double expected = add ? 0.5 : 0.0, size = 1.0, error = 0.0;
      for (int c = 0; c < shape.columns; c++) {
        const double product = double{x[static_cast<size_t>(i) * shape.columns + c]} * w.numbers[static_cast<size_t>(r) * shape.columns + c];
        expected += product;
        size += std::abs(product);
        error += errors[c] * std::abs(w.numbers[static_cast<size_t>(r) * shape.columns + c]);
      }
      check(std::abs(found - expected) <= PRODUCT_TOLERANCE * size + error, what + ": a sum is wrong");
    }
  }
  test_ways(product, before, out, x, what, threads);
  // One row alone, on one thread, has the same bits.
  const int last = shape.n - 1;
  std::vector<float> single(shape.rows, 0.5f);
  Threads one(1);
  const Product alone{&activations, last, 1, &w.matrix, single.data(), shape.rows, add};
  multiply({&alone, 1}, one);
  check(std::memcmp(single.data(), out.data() + static_cast<size_t>(last) * stride, 4 * single.size()) == 0,
        what + ": a row depends on the others");
}

// The largest sums that there can be: they fit, and all ways have the same bits.
void test_extremes(Threads& threads) {
  constexpr int COLUMNS = 256, ROWS = 16, N = 4;
  for (const Format format : ALL_FORMATS) {
    if (!is_quantised(format)) continue;
    for (const int quant : {0, 2, 15, 16, 31, 63, 127, 128, 255}) {
      if (quant >= quants_end(format)) continue;
      Memory memory;
      Matrix matrix(format, ROWS, COLUMNS, memory, table_of(format), true);
      check(matrix.put_quants(equal_blocks(ROWS * COLUMNS / BLOCK, quant, 0.5f, 0.5f), 0, ROWS), "scales are finite");
      std::vector<float> x(N * COLUMNS, 3.0f), out(N * ROWS, 0.0f);
      std::fill(x.begin() + COLUMNS, x.begin() + 2 * COLUMNS, -3.0f);
      std::fill(x.begin() + 2 * COLUMNS, x.begin() + 3 * COLUMNS, 0.0f);
      for (int c = 0; c < COLUMNS; c += 2) x[3 * COLUMNS + c] = -3.0f;
      Activations activations;
      put_all(activations, x, N, COLUMNS);
      const Product product{&activations, 0, N, &matrix, out.data(), ROWS, false};
      const std::vector<float> before = out;
      multiply({&product, 1}, threads);
      const double weight = 0.5 * value(format, static_cast<uint8_t>(quant)) + (has_offset(format) ? 0.5 : 0.0), expected[] = {1, -1, 0, 0};
      for (int i = 0; i < N * ROWS; i++) {
        const double sum = 3.0 * COLUMNS * weight * expected[i / ROWS];
        check(std::abs(out[i] - sum) <= PRODUCT_TOLERANCE * (1 + 3.0 * COLUMNS * std::abs(weight)),
              name(format) + ": the sum of the largest numbers is wrong");
      }
      test_ways(product, before, out, x, name(format) + ", largest numbers", threads);
    }
  }
}

// A number that is infinite or NaN makes all products of its row infinite or NaN, and none of other rows.
void test_not_finite(Format format, bool coarse, Threads& threads, Random& random) {
  constexpr int ROWS = 37, N = 9;
  const int columns = fitting_columns(format, 96);
  constexpr float INFINITE = std::numeric_limits<float>::infinity();
  Memory memory;
  const Weighed w = random_matrix(format, ROWS, columns, memory, random, coarse);
  for (const float sick : {std::numeric_limits<float>::quiet_NaN(), INFINITE, -INFINITE}) {
    for (const int column : {0, 13, 63, 95}) {
      std::vector<float> x = normal(random, size_t{N} * columns), out(size_t{N} * ROWS);
      const int row = column % N;
      x[static_cast<size_t>(row) * columns + column] = sick;
      for (const Way& way : ways()) {
        Activations activations(way.fine, way.coarse);
        put_all(activations, x, N, columns);
        const Product product{&activations, 0, N, &w.matrix, out.data(), ROWS, false};
        multiply({&product, 1}, threads);
        for (int i = 0; i < N * ROWS; i++) {
          check(std::isfinite(out[i]) == (i / ROWS != row),
                name(format) + ", " + way.name + ": a row of products with " + std::to_string(sick) + " is wrong");
        }
      }
    }
  }
}

// Products of some rows each, of matrices of all formats, at once: the bits are those of each alone. The rows are copies.
void test_together(const Way& way, Threads& threads, Random& random) {
  constexpr int COLUMNS = 256, ROWS = 14;
  Memory memory;
  const std::vector<float> x = normal(random, size_t{ROWS} * COLUMNS);
  Activations made(way.fine, way.coarse), copied(way.fine, way.coarse);
  made.resize(ROWS, COLUMNS, {true, true});
  copied.resize(ROWS, COLUMNS, {true, true});
  for (int i = 0; i < ROWS; i++) made.put(i, x.data() + i * COLUMNS);
  for (int i = 0; i < ROWS; i++) copied.copy(i, made, ROWS - 1 - i);
  std::vector<Weighed> weights;
  for (const Format format : ALL_FORMATS) {
    for (const bool coarse : {false, true}) {
      weights.push_back(random_matrix(format, 20 + static_cast<int>(weights.size()), COLUMNS, memory, random, coarse));
    }
  }
  std::vector<std::vector<float>> found, expected;
  std::vector<Product> products;
  for (size_t i = 0; i < weights.size(); i++) {
    const int first = static_cast<int>(i) % 10, n = first % 5, rows = weights[i].matrix.rows();
    found.emplace_back(static_cast<size_t>(n) * rows, 0.5f);
    expected.push_back(found.back());
    for (int row = 0; row < n; row++) {
      const Product alone{&made, ROWS - 1 - first - row, 1, &weights[i].matrix, expected[i].data() + row * rows, rows, false};
      multiply({&alone, 1}, threads);
    }
    products.push_back({&copied, first, n, &weights[i].matrix, found[i].data(), rows, false});
  }
  multiply(products, threads);
  check(found == expected, "products at once differ from those alone");
  multiply({}, threads);
}

// Rows of other lengths fit, also those that do not divide into blocks.
void test_lengths() {
  constexpr int ROWS = 16;
  for (const Way& way : ways()) {
    Activations activations(way.fine, way.coarse);
    for (const int columns : {64, 95, 64, 127, 33}) {
      const std::vector<float> x(size_t{ROWS} * columns, 1.0f);
      put_all(activations, x, ROWS, columns);
      for (int row = 0; row < ROWS; row++) {
        for (const Bits bits : {Bits::SIXTEEN, Bits::EIGHT}) {
          const RoundedRows& rounded = activations.rounded(bits);
          check(rounded.sums(row)[columns / BLOCK - 1] == rounded.sums(0)[0], "rows of " + std::to_string(columns) + " columns");
          if (rounded.are_bytes()) {
            check(rounded.bytes(false, row)[0] == rounded.bytes(true, 0)[0], "bytes of " + std::to_string(columns) + " columns");
          } else if (rounded.products() != Products::WORDS) {
            check(rounded.halves(false, row)[0] == rounded.halves(false, 0)[0], "halves of " + std::to_string(columns) + " columns");
          }
        }
        check(activations.plain(row) == x.data() + row * columns, "a plain row is kept");
      }
    }
  }
}

}  // namespace

Weighed random_matrix(Format format, int rows, int columns, Memory& memory, Random& random, bool coarse) {
  Weighed w{Matrix(format, rows, columns, memory, table_of(format), coarse), std::vector<float>(static_cast<size_t>(rows) * columns)};
  for (int first = 0, count; first < rows; first += count) {
    count = std::min(rows - first, 1 + below(random, 40));
    is_quantised(format) ? fill_quants(w, first, count, random) : fill_plain(w, first, count, random);
  }
  return w;
}

namespace {

// Every float16 that is a number, and what lies halfway between two.
void test_halves() {
  for (int bits = 0; bits < 0x10000; bits += 8) {
    Half halves[8], found[8];
    float values[8];
    for (int i = 0; i < 8; i++) halves[i].bits = static_cast<uint16_t>(bits + i);
    store8(values, load8(halves));
    for (int i = 0; i < 8; i++) {
      const float expected = half_to_float(halves[i].bits);
      const bool same = expected == expected ? values[i] == expected : values[i] != values[i];
      check(same && (from_half(halves[i].bits) == values[i] || expected != expected), "float16 " + std::to_string(bits + i));
      values[i] = (expected + half_to_float(static_cast<uint16_t>(bits + i + 1))) / 2;
      check(values[i] != values[i] || to_half(values[i]) == float_to_half(values[i]), "to float16: " + std::to_string(values[i]));
    }
    store8(found, load8(values));
    for (int i = 0; i < 8; i++) {
      if (values[i] != values[i]) continue;
      check(found[i].bits == float_to_half(std::clamp(values[i], -65504.0f, 65504.0f)), "float16 of " + std::to_string(values[i]));
    }
  }
}

int saturated(int64_t value) { return static_cast<int>(std::clamp<int64_t>(value, -32768, 32767)); }

void test_integers(Random& random) {
  for (int round = 0; round < 200; round++) {
    int16_t a[16], b[16], out[16];
    for (int i = 0; i < 16; i++) {
      a[i] = static_cast<int16_t>(random());
      b[i] = static_cast<int16_t>(std::max<int>(static_cast<int16_t>(random()), -32767));
    }
    const I16x16 x = load16(a), y = load16(b);
    float sums[8], pairs[8];
    const float factors[8] = {0.001f, 0.002f, 1.0f, -0.003f, 0.5f, -0.01f, 0.25f, 0.125f};
    const I32x8 products = pair_products(x, y), pair = pair_products(x, splat_pair(b + 2));
    store8(sums, to_floats(products));
    store8(pairs, to_floats(pair + splat_integer(-7)));
    store16(out, narrow(to_integers(to_floats(products) * load8(factors)), pair));
    for (int i = 0; i < 8; i++) {
      const int product = a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
      const int other = a[2 * i] * b[2] + a[2 * i + 1] * b[3];
      check(sums[i] == static_cast<float>(product) && pairs[i] == static_cast<float>(other - 7), "products of pairs");
      const float scaled = static_cast<float>(product) * factors[i];
      if (std::abs(scaled) < 1e9f) check(out[i] == saturated(std::lrintf(scaled)), "narrow " + std::to_string(scaled));
      check(out[8 + i] == saturated(other), "narrow " + std::to_string(other));
    }
    const int bits = round % 16;
    const auto each = [&](I16x16 found, auto&& expected, const char* what) {
      store16(out, found);
      for (int i = 0; i < 16; i++) check(out[i] == static_cast<int16_t>(expected(a[i], b[i])), what);
    };
    each(shift_left(x, bits), [=](int p, int) { return static_cast<unsigned>(p) << bits; }, "shift to the left");
    each(shift_right(x, bits), [=](int p, int) { return (p & 0xFFFF) >> bits; }, "shift to the right");
    each(shift_right_signed(x, bits), [=](int p, int) { return p >> bits; }, "shift of signed numbers");
    each(x & y, [](int p, int q) { return p & q; }, "and");
    each(x | y, [](int p, int q) { return p | q; }, "or");
    each(x + y, [](int p, int q) { return p + q; }, "sum");
    each(x ^ y, [](int p, int q) { return p ^ q; }, "exclusive or");
    each(splat_word(a[3]), [&](int, int) { return a[3]; }, "one word in all lanes");
  }
}

void test_rounding() {
  const float none = std::numeric_limits<float>::quiet_NaN();
  const float values[8] = {0.5f, 1.5f, -2.5f, 3.49999f, -8388607.5f, 4194304.5f, -0.2f, 16777216.0f};
  float found[8], least[8], most[8];
  store8(found, round_to_whole(load8(values)));
  for (int i = 0; i < 8; i++) check(found[i] == std::nearbyint(values[i]), "rounding of " + std::to_string(values[i]));
  store8(found, to_floats(to_integers(load8(values))));
  for (int i = 0; i < 8; i++) check(found[i] == std::nearbyint(values[i]), "the integer of " + std::to_string(values[i]));
  const float some[8] = {none, 1.0f, none, -1.0f, 5.0f, none, 2.0f, none};
  store8(least, minimum(load8(some), splat(3.0f)));
  store8(most, maximum(load8(some), splat(3.0f)));
  for (int i = 0; i < 8; i++) {
    check(least[i] == (some[i] < 3.0f ? some[i] : 3.0f) && most[i] == (some[i] > 3.0f ? some[i] : 3.0f), "of NaN and 3, 3");
  }
}

}  // namespace

void test_simd() {
  const int8_t signed_bytes[16] = {0, 1, -1, 127, -127, -128, 5, -6, 7, -8, 9, 100, -100, 64, -64, 33};
  float eight_floats[8];
  int16_t sixteen_words[16];
  store8(eight_floats, load8(signed_bytes + 3));
  store16(sixteen_words, load_bytes(signed_bytes));
  for (int i = 0; i < 16; i++) check(sixteen_words[i] == signed_bytes[i], "words of signed bytes are wrong");
  for (int i = 0; i < 8; i++) check(eight_floats[i] == signed_bytes[3 + i], "floats of signed bytes are wrong");

  Random random(1);
  test_halves();
  test_integers(random);
  test_rounding();
  std::vector<float> values = normal(random, 4096, 20.0f);
  values.insert(values.end(), {0.0f, -0.0f, 88.0f, -87.3f, -87.4f, -1000.0f, -INFINITE, 1e-30f, 65504.0f, 65519.0f, 65520.0f,
                               -70000.0f, 1.00390625f, 1.01171875f, 6e-8f, 3e-5f});
  for (size_t i = 0; i < values.size(); i += 8) {
    float e[8];
    Half halves[8];
    Bfloat bfloats[8];
    const F32x8 v = load8(values.data() + i);
    store8(e, exp8(minimum(v, splat(88.0f))));
    store8(halves, v);
    store8(bfloats, v);
    for (int j = 0; j < 8; j++) {
      const float x = values[i + j];
      const double expected = x < -87.3f ? 0.0 : std::exp(double{std::min(x, 88.0f)});
      check(std::abs(e[j] - expected) <= 2.5e-7 * expected, "exp of " + std::to_string(x));
      check(halves[j].bits == float_to_half(std::clamp(x, -65504.0f, 65504.0f)), "float16 of " + std::to_string(x));
      check(bfloats[j].bits == float_to_bfloat(x), "bfloat16 of " + std::to_string(x));
    }
  }
  for (int count = -3; count < 12; count++) {
    float lanes[8];
    store8(lanes, first_lanes(count, splat(1.0f), splat(2.0f)));
    for (int i = 0; i < 8; i++) check(lanes[i] == (i < count ? 1.0f : 2.0f), "first lanes of " + std::to_string(count));
  }
  const float eight[8] = {1, 2, 3, 4, 5, 6, 7, 80};
  check(sum8(load8(eight)) == 108.0f && max8(load8(eight)) == 80.0f, "sum and maximum of eight");
}

void test_matrices() {
  Random random(2);
  for (Format format : ALL_FORMATS) {
    if (scales_a_block(format) > 1) continue;
    for (int columns : {32, 96, 416, 768}) test_reading(format, 67, columns, random);
    if (!is_quantised(format)) test_reading(format, 19, 41, random);
  }
  test_large_scales();
}

void test_products() {
  Random random(3);
  Threads threads(3);
  // Rows that fill no panel, more blocks than are unpacked at a time, and all sizes of a tile.
  const Shape shapes[] = {{1, 32, 1},  {7, 64, 2},   {8, 96, 3},   {9, 32, 4},    {16, 416, 5},
                          {17, 800, 6}, {33, 384, 9}, {100, 64, 1}, {203, 128, 11}, {16, 32, 2}};
  for (Format format : ALL_FORMATS) {
    for (const bool coarse : {false, true}) {
      if (coarse && !gains_from_bytes(format)) continue;
      test_not_finite(format, coarse, threads, random);
      for (const Shape& shape : shapes) test_product(format, shape, shape.rows % 2 == 0, coarse, threads, random);
      // Tiles of every size: of weights that are unpacked as they are multiplied, and before. A row has more blocks than a piece.
      for (int n = 5; n <= 21; n++) test_product(format, {17, 17 * BLOCK, n}, n % 2 == 0, coarse, threads, random);
    }
    if (!is_quantised(format)) {
      for (const Shape& shape : {Shape{5, 1, 1}, Shape{21, 40, 4}, Shape{18, 67, 7}}) {
        test_product(format, shape, true, false, threads, random);
      }
    }
  }
  test_extremes(threads);
  test_lengths();
  std::string names;
  for (const Way& way : ways()) {
    test_together(way, threads, random);
    names += std::string(" ") + way.name;
  }
  std::printf("products by:%s\n", names.c_str());
}
