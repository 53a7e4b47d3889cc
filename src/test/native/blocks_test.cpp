// Blocks of GGUF files. What put_gguf stores has the bits of what put_quants stores of the numbers that plain code, element by
// element, finds in the same blocks.
#include <cmath>

#include "check.h"
#include "gguf_blocks.h"

using namespace llmworker;

namespace {

constexpr GgufType ALL_TYPES[] = {
    GgufType::Q4_0,    GgufType::Q4_1,   GgufType::Q5_0,    GgufType::Q5_1,  GgufType::Q8_0,   GgufType::Q2_K,
    GgufType::Q3_K,    GgufType::Q4_K,   GgufType::Q5_K,    GgufType::Q6_K,  GgufType::IQ2_XXS, GgufType::IQ2_XS,
    GgufType::IQ3_XXS, GgufType::IQ1_S,  GgufType::IQ4_NL,  GgufType::IQ3_S, GgufType::IQ2_S,  GgufType::IQ4_XS,
    GgufType::IQ1_M,   GgufType::TQ1_0,  GgufType::TQ2_0,   GgufType::MXFP4};

// An element of a block. What it does not say is 0.
struct Element {
  int quant = 0;
  float scale = 0;
  float offset = 0;
};

// In a format with steps: the step and the unit of a scale or an offset.
struct Step {
  int step;
  uint16_t unit;
};

int word(const uint8_t* p) { return p[0] | p[1] << 8; }
uint32_t long_word(const uint8_t* p) { return static_cast<uint32_t>(word(p)) | static_cast<uint32_t>(word(p + 2)) << 16; }
float half(const uint8_t* p) { return half_to_float(static_cast<uint16_t>(word(p))); }
int bit(const uint8_t* p, int i) { return p[i / 8] >> (i % 8) & 1; }

// Signs that lie in 7 bits: the eighth one makes their number even.
int sign_of_seven(uint32_t bits, int i) { return i < 7 ? bits >> i & 1 : __builtin_popcount(bits & 127) % 2; }

// Element i of 32 in 16 bytes: the low halves come first.
int half_byte(const uint8_t* p, int i) { return i < 16 ? p[i] & 15 : p[i - 16] >> 4; }

// Quant i of 2 bits of a block of 256.
int two_bits(const uint8_t* p, int i) { return p[32 * (i / 128) + i % 32] >> (2 * (i % 128 / 32)) & 3; }

// The 6-bit scale, or with `at` 4 the minimum, of group g of Q4_K and Q5_K.
int six_bits(const uint8_t* packed, int at, int g) {
  if (g < 4) return packed[at + g] & 63;
  const int low = at == 0 ? packed[4 + g] & 15 : packed[4 + g] >> 4;
  return low + 16 * (packed[at + g - 4] >> 6);
}

Element of_k_quants(GgufType type, const uint8_t* b, int i) {
  const int g = i / 32;
  switch (type) {
    case GgufType::Q2_K: {
      const uint8_t both = b[i / 16];
      return {two_bits(b + 16, i), (both & 15) * half(b + 80), -((both >> 4) * half(b + 82))};
    }
    case GgufType::Q3_K: {
      const int s = i / 16, low = s < 8 ? b[96 + s] & 15 : b[96 + s - 8] >> 4, high = b[104 + s % 4] >> (2 * (s / 4)) & 3;
      return {two_bits(b + 32, i) + 4 * (b[i % 32] >> g & 1), (low + 16 * high - 32) * half(b + 108)};
    }
    case GgufType::Q4_K:
    case GgufType::Q5_K: {
      const bool five = type == GgufType::Q5_K;
      const uint8_t byte = b[(five ? 48 : 16) + 32 * (i / 64) + i % 32];
      const int quant = (i % 64 < 32 ? byte & 15 : byte >> 4) + (five ? 16 * (b[16 + i % 32] >> g & 1) : 0);
      return {quant, six_bits(b + 4, 0, g) * half(b), -(six_bits(b + 4, 4, g) * half(b + 2))};
    }
    default: {
      const int in = i % 128, low = b[64 * (i / 128) + in % 64] >> (in < 64 ? 0 : 4) & 15;
      const int high = b[128 + 32 * (i / 128) + in % 32] >> (2 * (in / 32)) & 3;
      return {low + 16 * high, static_cast<int8_t>(b[192 + i / 16]) * half(b + 208)};
    }
  }
}

// Of scales (kind 0) or offsets (1) of the types whose format has steps.
Step step_of(GgufType type, const uint8_t* b, int kind, int i) {
  if (type == GgufType::Q6_K) return {static_cast<int8_t>(b[192 + i / 16]), static_cast<uint16_t>(word(b + 208))};
  return {six_bits(b + 4, 4 * kind, i / 32), static_cast<uint16_t>(word(b + 2 * kind) ^ 0x8000 * kind)};
}

// The grids' bytes are not those of the program here: any bytes below 8 do.
Element of_grid(GgufType type, const uint8_t* b, int i, const uint8_t* grids) {
  const int eighth = i / 8, fourth = i / 4, g = i / 32, s = i / 16;
  int point = 0, sign = 0, size = 8;
  float scale = 0;
  switch (type) {
    case GgufType::IQ2_XXS: {
      const uint32_t last = long_word(b + 2 + 8 * g + 4);
      point = b[2 + 8 * g + eighth % 4];
      sign = sign_of_seven(last >> (7 * (eighth % 4)), i % 8);
      scale = (static_cast<float>(last >> 28) + 0.5f) * half(b) * 0.25f;
      break;
    }
    case GgufType::IQ2_XS:
      point = word(b + 2 + 2 * eighth) % 512;
      sign = sign_of_seven(word(b + 2 + 2 * eighth) / 512, i % 8);
      scale = (static_cast<float>(b[66 + s / 2] >> (4 * (s % 2)) & 15) + 0.5f) * half(b) * 0.25f;
      break;
    case GgufType::IQ2_S:
      point = b[2 + eighth] + 256 * (b[66 + g] >> (2 * (eighth % 4)) & 3);
      sign = bit(b + 34, i);
      scale = (static_cast<float>(b[74 + s / 2] >> (4 * (s % 2)) & 15) + 0.5f) * half(b) * 0.25f;
      break;
    case GgufType::IQ3_XXS: {
      const uint32_t last = long_word(b + 66 + 4 * g);
      size = 4;
      point = b[2 + fourth];
      sign = sign_of_seven(last >> (7 * (eighth % 4)), i % 8);
      scale = (static_cast<float>(last >> 28) + 0.5f) * half(b) * 0.5f;
      break;
    }
    case GgufType::IQ3_S:
      size = 4;
      point = b[2 + fourth] + 256 * bit(b + 66, fourth);
      sign = bit(b + 74, i);
      scale = (static_cast<float>(b[106 + g / 2] >> (4 * (g % 2)) & 15) * 2 + 1) * half(b);
      break;
    case GgufType::IQ1_S:
      point = b[2 + eighth] + 256 * (word(b + 34 + 2 * g) >> (3 * (eighth % 4)) & 7);
      sign = word(b + 34 + 2 * g) >> 15;
      scale = (static_cast<float>(word(b + 34 + 2 * g) >> 12 & 7) * 2 + 1) * half(b) * 0.125f;
      break;
    default: {
      const int more = b[32 + eighth / 2] >> (4 * (eighth % 2)) & 15;
      point = b[eighth] + 256 * (more % 8);
      sign = more / 8;
      int d = 0;
      for (int k = 0; k < 4; k++) d += (word(b + 48 + 2 * k) >> 12) << (4 * k);
      scale = static_cast<float>(word(b + 48 + 2 * (s / 4)) >> (3 * (s % 4)) & 7) * 2 + 1;
      scale = scale * half_to_float(static_cast<uint16_t>(d)) * 0.125f;
    }
  }
  return {grids[grid_at(type) + size * point + i % size] + 8 * sign, scale};
}

Element element(GgufType type, const uint8_t* b, int i, const uint8_t* grids) {
  switch (type) {
    case GgufType::Q4_0: return {half_byte(b + 2, i), half(b)};
    case GgufType::Q4_1: return {half_byte(b + 4, i), half(b), half(b + 2)};
    case GgufType::Q5_0: return {half_byte(b + 6, i) + 16 * bit(b + 2, i), half(b), half(b) * -16};
    case GgufType::Q5_1: return {half_byte(b + 8, i) + 16 * bit(b + 4, i), half(b), half(b + 2)};
    case GgufType::Q8_0: return {b[2 + i], half(b)};
    case GgufType::Q2_K:
    case GgufType::Q3_K:
    case GgufType::Q4_K:
    case GgufType::Q5_K:
    case GgufType::Q6_K: return of_k_quants(type, b, i);
    case GgufType::IQ4_NL: return {half_byte(b + 2, i), half(b)};
    case GgufType::IQ4_XS: {
      const int g = i / 32, low = b[4 + g / 2] >> (4 * (g % 2)) & 15, high = word(b + 2) >> (2 * g) & 3;
      return {half_byte(b + 8 + 16 * g, i % 32), (low + 16 * high - 32) * half(b)};
    }
    case GgufType::MXFP4: return {half_byte(b + 1, i), static_cast<float>(std::pow(2.0, b[0] - 128))};
    case GgufType::TQ2_0: return {two_bits(b, i), half(b + 64)};
    case GgufType::TQ1_0: {
      const int from = i < 160 ? i % 32 : i < 240 ? 32 + i % 16 : 48 + i % 4, digit = i < 160 ? i / 32 : i < 240 ? (i - 160) / 16 : (i - 240) / 4;
      int byte = b[from];
      for (int k = 0; k < digit; k++) byte = byte * 3 % 256;
      return {byte * 3 / 256, half(b + 52)};
    }
    default: return of_grid(type, b, i, grids);
  }
}

// Where a block has float16 scales; -1 ends them. MXFP4 and IQ1_M have others.
std::array<int, 3> scales_at(GgufType type) {
  switch (type) {
    case GgufType::Q4_1:
    case GgufType::Q5_1:
    case GgufType::Q4_K:
    case GgufType::Q5_K: return {0, 2, -1};
    case GgufType::Q2_K: return {80, 82, -1};
    case GgufType::Q3_K: return {108, -1};
    case GgufType::Q6_K: return {208, -1};
    case GgufType::TQ1_0: return {52, -1};
    case GgufType::TQ2_0: return {64, -1};
    case GgufType::MXFP4:
    case GgufType::IQ1_M: return {-1};
    default: return {0, -1};
  }
}

// Makes all scales of a block `bits`.
void put_scales(GgufType type, uint8_t* block, uint16_t bits) {
  if (type == GgufType::MXFP4) {
    block[0] = (bits & 0x7FFF) >= 0x7C00 ? 255 : static_cast<uint8_t>(110 + bits % 29);
  } else if (type == GgufType::IQ1_M) {
    for (int k = 0; k < 4; k++) block[49 + 2 * k] = static_cast<uint8_t>((block[49 + 2 * k] & 15) | (bits >> (4 * k) & 15) << 4);
  }
  for (int at : scales_at(type)) {
    if (at < 0) return;
    std::memcpy(block + at, &bits, 2);
    bits ^= 0x8003;
  }
}

struct Blocks {
  GgufType type;
  int rows, columns;
  std::vector<uint8_t> bytes;

  size_t row_bytes() const { return bytes.size() / rows; }
  std::span<const uint8_t> of_rows(int first, int count) const { return std::span(bytes).subspan(first * row_bytes(), count * row_bytes()); }
};

Blocks random_blocks(GgufType type, int rows, int columns, Random& random) {
  const BlockShape shape = block_shape(type);
  Blocks made{type, rows, columns, std::vector<uint8_t>(static_cast<size_t>(rows) * columns / shape.elements * shape.bytes)};
  for (uint8_t& byte : made.bytes) byte = static_cast<uint8_t>(random());
  for (size_t at = 0; at < made.bytes.size(); at += shape.bytes) {
    put_scales(type, made.bytes.data() + at, float_to_half(normal(random, 1, 0.01f)[0]));
  }
  return made;
}

// The same by way of put_quants. Returns what this says of scales and offsets.
bool put_plainly(const Blocks& blocks, const std::vector<uint8_t>& grids, Matrix& matrix) {
  const BlockShape shape = block_shape(blocks.type);
  const int width = BLOCK / scales_a_block(shape.format);
  std::vector<Quants> made;
  for (size_t at = 0; at < blocks.bytes.size(); at += shape.bytes) {
    const uint8_t* const block = blocks.bytes.data() + at;
    for (int i = 0; i < shape.elements; i++) {
      if (i % BLOCK == 0) made.push_back({});
      Quants& to = made.back();
      const Element found = element(blocks.type, block, i, grids.data());
      const int part = i % BLOCK / width;
      to.quants[i % BLOCK] = static_cast<uint8_t>(found.quant);
      to.scales[part] = found.scale;
      to.offsets[part] = found.offset;
      for (int kind = 0; has_steps(shape.format) && kind < (has_offset(shape.format) ? 2 : 1); kind++) {
        const Step step = step_of(blocks.type, block, kind, i);
        to.steps[kind][part] = static_cast<int8_t>(step.step);
        to.units[kind] = step.unit;
      }
    }
  }
  return matrix.put_quants(made, 0, blocks.rows);
}

bool same_bytes(const Matrix& a, const Matrix& b) { return std::memcmp(a.panel(0), b.panel(0), a.bytes()) == 0; }

void test_type(GgufType type, const std::vector<uint8_t>& grids, Threads& threads, Random& random) {
  const std::string name = "GGUF type " + std::to_string(static_cast<int>(type));
  const BlockShape shape = block_shape(type);
  const int rows = 83, columns = 3 * shape.elements;
  Blocks blocks = random_blocks(type, rows, columns, random);
  Memory memory;
  const CodeTable codes = code_table(type);
  const auto table = has_codes(shape.format) ? std::span<const int8_t>(codes) : std::span<const int8_t>();
  Matrix expected(shape.format, rows, columns, memory, table);
  Matrix whole(shape.format, rows, columns, memory, table);
  Matrix pieces(shape.format, rows, columns, memory, table);
  check(put_plainly(blocks, grids, expected), name + ": all scales are finite");
  check(whole.put_gguf(blocks.bytes, type, grids, 0, rows, threads), name + ": all scales of blocks are finite");
  check(same_bytes(expected, whole), name + ": the bits differ");
  for (int first = 0, count; first < rows; first += count) {
    count = std::min(rows - first, 1 + below(random, 40));
    pieces.put_gguf(blocks.of_rows(first, count), type, grids, first, count, first % 2 == 0 ? threads : ONE_THREAD);
  }
  check(same_bytes(expected, pieces), name + ": the bits of rows that come one after the other differ");

  // One block of a row that another thread may take.
  for (const uint16_t bits : {uint16_t{0x7C00}, uint16_t{0xFE01}, uint16_t{0x7BFF}}) {
    Blocks large = blocks;
    put_scales(type, large.bytes.data() + 70 * blocks.row_bytes() + shape.bytes, bits);
    const bool found = whole.put_gguf(large.bytes, type, grids, 0, rows, threads);
    check(found == put_plainly(large, grids, expected),
          name + ": whether scales like " + std::to_string(bits) + " are finite");
    if (bits != 0x7BFF) check(!found, name + ": a scale that is not finite is not noticed");
  }
  const std::span<const uint8_t> row = blocks.of_rows(0, 1);
  check_throws<std::invalid_argument>("blocks have the size", [&] { whole.put_gguf(row.first(row.size() - 1), type, grids, 0, 1, threads); });
  check_throws<std::invalid_argument>("blocks have the size", [&] { whole.put_gguf(row, type, grids, 0, 2, threads); });
  check_throws<std::invalid_argument>("grids have the size", [&] { whole.put_gguf(row, type, std::span(grids).first(9), 0, 1, threads); });
  check_throws<std::out_of_range>("outside a matrix of 83 rows", [&] { whole.put_gguf(row, type, grids, rows, 1, threads); });
  for (const Format format : ALL_FORMATS) {
    if (format == shape.format) continue;
    Matrix other(format, 1, fitting_columns(format, columns), memory, table_of(format));
    check_throws<std::invalid_argument>("do not fit a matrix of format", [&] { other.put_gguf(row, type, grids, 0, 1, threads); });
  }
  if (shape.elements > BLOCK && !has_steps(shape.format)) {
    Matrix narrow(shape.format, 1, columns - BLOCK, memory, table);
    check_throws<std::invalid_argument>("columns", [&] { narrow.put_gguf(row, type, grids, 0, 1, threads); });
  }
}

// The numbers of blocks, as an embedding has them.
void test_numbers(GgufType type, const std::vector<uint8_t>& grids, Random& random) {
  const std::string name = "GGUF type " + std::to_string(static_cast<int>(type));
  const BlockShape shape = block_shape(type);
  const Blocks blocks = random_blocks(type, 3, 2 * shape.elements, random);
  std::vector<float> numbers(size_t{6} * shape.elements);
  read_blocks(type, blocks.bytes, grids, numbers);
  for (size_t i = 0; i < numbers.size(); i++) {
    const Element found = element(type, blocks.bytes.data() + i / shape.elements * shape.bytes, static_cast<int>(i % shape.elements), grids.data());
    float quant = static_cast<float>(found.quant), offset = found.offset;
    if (has_codes(shape.format)) quant = code_table(type)[found.quant];
    if (type == GgufType::Q8_0) quant = static_cast<float>(static_cast<int8_t>(found.quant));
    if (type == GgufType::Q4_0) offset = found.scale * -8;
    if (type == GgufType::Q6_K) offset = found.scale * -32;
    check(numbers[i] == quant * found.scale + offset, name + ": number " + std::to_string(i));
  }
  check_throws<std::invalid_argument>("have the size", [&] { read_blocks(type, blocks.of_rows(0, 2), grids, numbers); });
  check_throws<std::invalid_argument>("have the size", [&] { read_blocks(type, blocks.bytes, grids, std::span(numbers).last(numbers.size() - 1)); });
  check_throws<std::invalid_argument>("have the size", [&] { read_blocks(type, std::span(blocks.bytes).last(blocks.bytes.size() - 1), grids, numbers); });
  check_throws<std::invalid_argument>("grids have the size", [&] { read_blocks(type, blocks.bytes, std::span(grids).last(1), numbers); });
}

// Plain numbers, on some threads and row by row.
void test_plain(Format format, Threads& threads, Random& random) {
  const int rows = 53, columns = 41;
  Memory memory;
  std::vector<uint8_t> bytes(number_bytes(format) * rows * columns);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  Matrix whole(format, rows, columns, memory), single(format, rows, columns, memory);
  whole.put_plain(bytes, 0, rows, threads);
  const size_t row_bytes = bytes.size() / rows;
  for (int row = 0; row < rows; row++) single.put_plain(std::span(bytes).subspan(row * row_bytes, row_bytes), row, 1, ONE_THREAD);
  check(same_bytes(whole, single), "plain numbers of format " + std::to_string(static_cast<int>(format)) + " differ");
}

}  // namespace

void test_blocks() {
  Random random(20);
  Threads threads(3);
  std::vector<uint8_t> grids(GRIDS_BYTES);
  for (uint8_t& code : grids) code = static_cast<uint8_t>(random() % 8);
  for (const GgufType type : ALL_TYPES) {
    test_type(type, grids, threads, random);
    test_numbers(type, grids, random);
  }
  Memory memory;
  Matrix other(Format::CODES, 1, BLOCK, memory, CODES);
  check_throws<std::invalid_argument>("codes of another table", [&] {
    other.put_gguf(std::vector<uint8_t>(18), GgufType::IQ4_NL, grids, 0, 1, threads);
  });
  for (const Format format : {Format::F32, Format::F16, Format::BF16}) test_plain(format, threads, random);
  check_throws<std::invalid_argument>("no GGUF type of blocks has the number 4", [] { enumerator<GgufType>(4); });
  check_throws<std::invalid_argument>("no GGUF type of blocks has the number 1", [] { enumerator<GgufType>(1); });
}
