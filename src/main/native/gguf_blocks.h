// The blocks of a GGUF file, taken apart into quants and scales. matrix.cpp decides how they are held.
//
// The bits of all numbers are those that `quants` and `codes` in gguf_quants.py and gguf_codes.py make. These also describe the
// blocks. Source: ggml-common.h and the dequantize_row functions of ggml-quants.c.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "formats.h"
#include "matrix.h"
#include "simd.h"

namespace llmworker {

// What the blocks of a type have, and the format that holds them.
struct BlockShape {
  int elements;
  size_t bytes;
  Format format;
};

constexpr BlockShape block_shape(GgufType type) {
  switch (type) {
    case GgufType::Q4_0: return {32, 18, Format::Q4_CENTRED};
    case GgufType::Q4_1: return {32, 20, Format::Q4};
    case GgufType::Q5_0: return {32, 22, Format::Q5_CENTRED};
    case GgufType::Q5_1: return {32, 24, Format::Q5};
    case GgufType::Q8_0: return {32, 34, Format::Q8};
    case GgufType::Q2_K: return {256, 84, Format::Q4_HALF_BLOCKS};
    case GgufType::Q3_K: return {256, 110, Format::CODES_HALF_BLOCKS};
    case GgufType::Q4_K: return {256, 144, Format::Q4_K};
    case GgufType::Q5_K: return {256, 176, Format::Q5_K};
    case GgufType::Q6_K: return {256, 210, Format::Q6_K};
    case GgufType::IQ2_XXS: return {256, 66, Format::CODES};
    case GgufType::IQ2_XS: return {256, 74, Format::CODES_HALF_BLOCKS};
    case GgufType::IQ3_XXS: return {256, 98, Format::CODES};
    case GgufType::IQ1_S: return {256, 50, Format::CODES};
    case GgufType::IQ4_NL: return {32, 18, Format::CODES};
    case GgufType::IQ3_S: return {256, 110, Format::CODES};
    case GgufType::IQ2_S: return {256, 82, Format::CODES_HALF_BLOCKS};
    case GgufType::IQ4_XS: return {256, 136, Format::CODES};
    case GgufType::IQ1_M: return {256, 56, Format::CODES_HALF_BLOCKS};
    case GgufType::TQ1_0: return {256, 54, Format::CODES};
    case GgufType::TQ2_0: return {256, 66, Format::CODES};
    case GgufType::MXFP4: return {32, 17, Format::CODES};
  }
  refuse("GGUF type of blocks", static_cast<int64_t>(type));
}

// The numbers that the codes of a type stand for: `table` in gguf_codes.py. Zeros if it has quants.
using CodeTable = std::array<int8_t, 16>;

constexpr CodeTable code_table(GgufType type) {
  switch (type) {
    case GgufType::MXFP4: return {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    case GgufType::Q3_K: return {-4, -3, -2, -1, 0, 1, 2, 3};
    case GgufType::TQ1_0:
    case GgufType::TQ2_0: return {-1, 0, 1, 2};
    case GgufType::IQ4_NL:
    case GgufType::IQ4_XS: return {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    case GgufType::IQ3_XXS: return {4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62};
    case GgufType::IQ3_S: return {1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15};
    case GgufType::IQ2_XXS:
    case GgufType::IQ2_XS:
    case GgufType::IQ2_S: return {8, 25, 43, 0, 0, 0, 0, 0, -8, -25, -43};
    case GgufType::IQ1_S:
    case GgufType::IQ1_M: return {-7, 1, 9, 0, 0, 0, 0, 0, -9, -1, 7};
    default: return {};
  }
}

// The grids of the IQ types one behind the other: `all_grids` in gguf_grids.py. A point has 8 elements, or 4 in the IQ3 types.
constexpr size_t GRIDS_BYTES = (256 + 512 + 1024 + 2048) * 8 + (256 + 512) * 4;

constexpr size_t grid_at(GgufType type) {
  switch (type) {
    case GgufType::IQ2_XS: return 256 * 8;
    case GgufType::IQ2_S: return (256 + 512) * 8;
    case GgufType::IQ1_S:
    case GgufType::IQ1_M: return (256 + 512 + 1024) * 8;
    case GgufType::IQ3_XXS: return (256 + 512 + 1024 + 2048) * 8;
    case GgufType::IQ3_S: return (256 + 512 + 1024 + 2048) * 8 + 256 * 4;
    default: return 0;
  }
}

// Takes apart elements 32 · part to 32 · part + 31 of a block.
//
// grids: those of the IQ types; the other types read none
template <GgufType TYPE>
void take_apart(const uint8_t* block, int part, const uint8_t* grids, Quants& out);

namespace blocks {

inline uint16_t two_bytes(const uint8_t* p) {
  uint16_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

inline uint32_t four_bytes(const uint8_t* p) {
  uint32_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

inline float half(const uint8_t* p) { return from_half(two_bytes(p)); }

// Half `i` of the bytes at p, the low half of the first one being 0.
inline int nibble(const uint8_t* p, int i) { return p[i / 2] >> (4 * (i % 2)) & 15; }

// The low halves of 16 bytes, then their high halves.
inline void put_nibbles(const uint8_t* from, uint8_t* to) {
  const U8x16 both = load16(from);
  store16(to, low_nibbles(both));
  store16(to + 16, high_nibbles(both));
}

// A field of each of 32 bytes.
inline void put_fields(const uint8_t* from, int shift, int mask, uint8_t* to) {
  for (int i = 0; i < Quants::COUNT; i++) to[i] = static_cast<uint8_t>(from[i] >> shift & mask);
}

// Adds a field of each of 32 bytes, as bits from `at` on.
inline void add_fields(const uint8_t* from, int shift, int mask, int at, uint8_t* to) {
  for (int i = 0; i < Quants::COUNT; i++) to[i] = static_cast<uint8_t>(to[i] | (from[i] >> shift & mask) << at);
}

// Part `part` of 2-bit quants: each 32 bytes have four parts, the first in the lowest bits.
inline void put_pairs(const uint8_t* from, int part, uint8_t* to) { put_fields(from + 32 * (part / 4), 2 * (part % 4), 3, to); }

// Bit i of `bits` becomes bit 4 of quant i.
inline void add_fifth_bits(uint32_t bits, uint8_t* to) {
  for (int i = 0; i < Quants::COUNT; i++) to[i] = static_cast<uint8_t>(to[i] | (bits >> i & 1) << 4);
}

// The scale and the minimum of group `group` from the 12 bytes of Q4_K and Q5_K. Both have 6 bits.
inline void put_group(const uint8_t* block, int group, Quants& out) {
  const uint8_t* const packed = block + 4;
  int scale = packed[group % 4], minimum = packed[4 + group % 4];
  if (group < 4) {
    scale &= 63;
    minimum &= 63;
  } else {
    scale = (packed[4 + group] & 15) | scale >> 6 << 4;
    minimum = packed[4 + group] >> 4 | minimum >> 6 << 4;
  }
  out.scales[0] = static_cast<float>(scale) * half(block);
  out.offsets[0] = -(static_cast<float>(minimum) * half(block + 2));
  out.steps[0][0] = static_cast<int8_t>(scale);
  out.steps[1][0] = static_cast<int8_t>(minimum);
  out.units[0] = two_bytes(block);
  out.units[1] = two_bytes(block + 2) ^ 0x8000;
}

// 7 signs and an eighth one, with which the number of ones is even.
inline uint32_t with_parity(uint32_t signs) {
  uint32_t parity = signs ^ signs >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return signs | (parity & 1) << 7;
}

// The codes of SIZE elements: those of a point of a grid, and the signs as bit 3.
template <int SIZE>
inline void put_point(const uint8_t* grid, uint32_t point, uint32_t signs, uint8_t* to) {
  for (int i = 0; i < SIZE; i++) to[i] = static_cast<uint8_t>(grid[SIZE * point + i] | (signs >> i & 1) << 3);
}

// An element of TQ1_0: digit `digit` of a byte in base 3.
inline uint8_t digit_of(uint8_t byte, int digit) {
  constexpr uint8_t POWERS[5] = {1, 3, 9, 27, 81};
  return static_cast<uint8_t>((byte * POWERS[digit] & 255) * 3 >> 8);
}

}  // namespace blocks

template <>
inline void take_apart<GgufType::Q4_0>(const uint8_t* block, int, const uint8_t*, Quants& out) {
  blocks::put_nibbles(block + 2, out.quants);
  out.scales[0] = blocks::half(block);
  out.offsets[0] = out.scales[0] * -8.0f;
}

template <>
inline void take_apart<GgufType::Q4_1>(const uint8_t* block, int, const uint8_t*, Quants& out) {
  blocks::put_nibbles(block + 4, out.quants);
  out.scales[0] = blocks::half(block);
  out.offsets[0] = blocks::half(block + 2);
}

template <>
inline void take_apart<GgufType::Q5_0>(const uint8_t* block, int, const uint8_t*, Quants& out) {
  blocks::put_nibbles(block + 6, out.quants);
  blocks::add_fifth_bits(blocks::four_bytes(block + 2), out.quants);
  out.scales[0] = blocks::half(block);
  out.offsets[0] = out.scales[0] * -16.0f;
}

template <>
inline void take_apart<GgufType::Q5_1>(const uint8_t* block, int, const uint8_t*, Quants& out) {
  blocks::put_nibbles(block + 8, out.quants);
  blocks::add_fifth_bits(blocks::four_bytes(block + 4), out.quants);
  out.scales[0] = blocks::half(block);
  out.offsets[0] = blocks::half(block + 2);
}

template <>
inline void take_apart<GgufType::Q8_0>(const uint8_t* block, int, const uint8_t*, Quants& out) {
  std::memcpy(out.quants, block + 2, Quants::COUNT);
  out.scales[0] = blocks::half(block);
}

template <>
inline void take_apart<GgufType::Q2_K>(const uint8_t* block, int part, const uint8_t*, Quants& out) {
  blocks::put_pairs(block + 16, part, out.quants);
  for (int i = 0; i < 2; i++) {
    const uint8_t both = block[2 * part + i];
    out.scales[i] = static_cast<float>(both & 15) * blocks::half(block + 80);
    out.offsets[i] = -(static_cast<float>(both >> 4) * blocks::half(block + 82));
  }
}

template <>
inline void take_apart<GgufType::Q3_K>(const uint8_t* block, int part, const uint8_t*, Quants& out) {
  blocks::put_pairs(block + 32, part, out.quants);
  blocks::add_fields(block, part, 1, 2, out.quants);
  for (int i = 0; i < 2; i++) {
    const int group = 2 * part + i;
    const int low = block[96 + group % 8] >> (4 * (group / 8)) & 15, high = block[104 + group % 4] >> (2 * (group / 4)) & 3;
    out.scales[i] = static_cast<float>((low | high << 4) - 32) * blocks::half(block + 108);
  }
}

template <>
inline void take_apart<GgufType::Q4_K>(const uint8_t* block, int part, const uint8_t*, Quants& out) {
  blocks::put_fields(block + 16 + 32 * (part / 2), 4 * (part % 2), 15, out.quants);
  blocks::put_group(block, part, out);
}

template <>
inline void take_apart<GgufType::Q5_K>(const uint8_t* block, int part, const uint8_t*, Quants& out) {
  blocks::put_fields(block + 48 + 32 * (part / 2), 4 * (part % 2), 15, out.quants);
  blocks::add_fields(block + 16, part, 1, 4, out.quants);
  blocks::put_group(block, part, out);
}

template <>
inline void take_apart<GgufType::Q6_K>(const uint8_t* block, int part, const uint8_t*, Quants& out) {
  const int quarter = part % 4;
  blocks::put_fields(block + 64 * (part / 4) + 32 * (quarter % 2), 4 * (quarter / 2), 15, out.quants);
  blocks::add_fields(block + 128 + 32 * (part / 4), 2 * quarter, 3, 4, out.quants);
  for (int i = 0; i < 2; i++) {
    out.steps[0][i] = static_cast<int8_t>(block[192 + 2 * part + i]);
    out.scales[i] = static_cast<float>(out.steps[0][i]) * blocks::half(block + 208);
    out.offsets[i] = out.scales[i] * -32.0f;
  }
  out.units[0] = blocks::two_bytes(block + 208);
}

template <>
inline void take_apart<GgufType::IQ4_NL>(const uint8_t* block, int, const uint8_t*, Quants& out) {
  blocks::put_nibbles(block + 2, out.quants);
  out.scales[0] = blocks::half(block);
}

template <>
inline void take_apart<GgufType::IQ4_XS>(const uint8_t* block, int part, const uint8_t*, Quants& out) {
  blocks::put_nibbles(block + 8 + 16 * part, out.quants);
  const int high = blocks::two_bytes(block + 2) >> (2 * part) & 3;
  out.scales[0] = static_cast<float>((blocks::nibble(block + 4, part) | high << 4) - 32) * blocks::half(block);
}

template <>
inline void take_apart<GgufType::MXFP4>(const uint8_t* block, int, const uint8_t*, Quants& out) {
  blocks::put_nibbles(block + 1, out.quants);
  out.scales[0] = std::ldexp(1.0f, block[0] - 128);
}

template <>
inline void take_apart<GgufType::TQ1_0>(const uint8_t* block, int part, const uint8_t*, Quants& out) {
  out.scales[0] = blocks::half(block + 52);
  if (part < 5) {
    for (int i = 0; i < Quants::COUNT; i++) out.quants[i] = blocks::digit_of(block[i], part);
    return;
  }
  for (int i = 0; i < Quants::COUNT; i++) {
    const int at = 32 * (part - 5) + i;
    out.quants[i] = at < 80 ? blocks::digit_of(block[32 + at % 16], at / 16) : blocks::digit_of(block[48 + at % 4], (at - 80) / 4);
  }
}

template <>
inline void take_apart<GgufType::TQ2_0>(const uint8_t* block, int part, const uint8_t*, Quants& out) {
  blocks::put_pairs(block, part, out.quants);
  out.scales[0] = blocks::half(block + 64);
}

template <>
inline void take_apart<GgufType::IQ2_XXS>(const uint8_t* block, int part, const uint8_t* grids, Quants& out) {
  const uint8_t* const points = block + 2 + 8 * part;
  const uint32_t last = blocks::four_bytes(points + 4);
  for (int i = 0; i < 4; i++) {
    blocks::put_point<8>(grids + grid_at(GgufType::IQ2_XXS), points[i], blocks::with_parity(last >> (7 * i) & 127), out.quants + 8 * i);
  }
  out.scales[0] = (static_cast<float>(last >> 28) + 0.5f) * blocks::half(block) * 0.25f;
}

template <>
inline void take_apart<GgufType::IQ2_XS>(const uint8_t* block, int part, const uint8_t* grids, Quants& out) {
  for (int i = 0; i < 4; i++) {
    const uint32_t both = blocks::two_bytes(block + 2 + 8 * part + 2 * i);
    blocks::put_point<8>(grids + grid_at(GgufType::IQ2_XS), both & 511, blocks::with_parity(both >> 9), out.quants + 8 * i);
  }
  for (int i = 0; i < 2; i++) {
    out.scales[i] = (static_cast<float>(blocks::nibble(block + 66 + part, i)) + 0.5f) * blocks::half(block) * 0.25f;
  }
}

template <>
inline void take_apart<GgufType::IQ2_S>(const uint8_t* block, int part, const uint8_t* grids, Quants& out) {
  for (int i = 0; i < 4; i++) {
    const uint32_t high = block[66 + part] >> (2 * i) & 3;
    blocks::put_point<8>(grids + grid_at(GgufType::IQ2_S), block[2 + 4 * part + i] | high << 8, block[34 + 4 * part + i],
                         out.quants + 8 * i);
  }
  for (int i = 0; i < 2; i++) {
    out.scales[i] = (static_cast<float>(blocks::nibble(block + 74 + part, i)) + 0.5f) * blocks::half(block) * 0.25f;
  }
}

template <>
inline void take_apart<GgufType::IQ3_XXS>(const uint8_t* block, int part, const uint8_t* grids, Quants& out) {
  const uint32_t last = blocks::four_bytes(block + 66 + 4 * part);
  for (int i = 0; i < 8; i++) {
    const uint32_t signs = blocks::with_parity(last >> (7 * (i / 2)) & 127) >> (4 * (i % 2));
    blocks::put_point<4>(grids + grid_at(GgufType::IQ3_XXS), block[2 + 8 * part + i], signs, out.quants + 4 * i);
  }
  out.scales[0] = (static_cast<float>(last >> 28) + 0.5f) * blocks::half(block) * 0.5f;
}

template <>
inline void take_apart<GgufType::IQ3_S>(const uint8_t* block, int part, const uint8_t* grids, Quants& out) {
  for (int i = 0; i < 8; i++) {
    const uint32_t high = block[66 + part] >> i & 1;
    blocks::put_point<4>(grids + grid_at(GgufType::IQ3_S), block[2 + 8 * part + i] | high << 8,
                         block[74 + 4 * part + i / 2] >> (4 * (i % 2)), out.quants + 4 * i);
  }
  out.scales[0] = (static_cast<float>(blocks::nibble(block + 106, part)) * 2.0f + 1.0f) * blocks::half(block);
}

template <>
inline void take_apart<GgufType::IQ1_S>(const uint8_t* block, int part, const uint8_t* grids, Quants& out) {
  const uint32_t more = blocks::two_bytes(block + 34 + 2 * part);
  for (int i = 0; i < 4; i++) {
    const uint32_t high = more >> (3 * i) & 7;
    blocks::put_point<8>(grids + grid_at(GgufType::IQ1_S), block[2 + 4 * part + i] | high << 8, more >> 15 ? 255 : 0,
                         out.quants + 8 * i);
  }
  out.scales[0] = (static_cast<float>(more >> 12 & 7) * 2.0f + 1.0f) * blocks::half(block) * 0.125f;
}

template <>
inline void take_apart<GgufType::IQ1_M>(const uint8_t* block, int part, const uint8_t* grids, Quants& out) {
  for (int i = 0; i < 4; i++) {
    const uint32_t more = static_cast<uint32_t>(blocks::nibble(block + 32, 4 * part + i));
    blocks::put_point<8>(grids + grid_at(GgufType::IQ1_M), block[4 * part + i] | (more & 7) << 8, more >> 3 ? 255 : 0,
                         out.quants + 8 * i);
  }
  int scale = 0;
  for (int i = 0; i < 4; i++) scale |= blocks::two_bytes(block + 48 + 2 * i) >> 12 << (4 * i);
  for (int i = 0; i < 2; i++) {
    const int group = 2 * part + i, own = blocks::two_bytes(block + 48 + 2 * (group / 4)) >> (3 * (group % 4)) & 7;
    out.scales[i] = (static_cast<float>(own) * 2.0f + 1.0f) * from_half(static_cast<uint16_t>(scale)) * 0.125f;
  }
}

// Throws if a size is not the expected one.
void check_size(const char* what, size_t found, size_t expected);

// The numbers of blocks, exactly. They are rounded once in Q2_K, Q4_K, Q5_K and Q5_1, whose offsets are no multiples of the scales.
// Throws if a size is wrong.
//
// numbers: of all blocks
void read_blocks(GgufType type, std::span<const uint8_t> bytes, std::span<const uint8_t> grids, std::span<float> numbers);

// Calls action.operator()<TYPE>() for a type that is known at run time.
template <typename Action>
void with_type(GgufType type, Action&& action) {
  switch (type) {
    case GgufType::Q4_0: return action.template operator()<GgufType::Q4_0>();
    case GgufType::Q4_1: return action.template operator()<GgufType::Q4_1>();
    case GgufType::Q5_0: return action.template operator()<GgufType::Q5_0>();
    case GgufType::Q5_1: return action.template operator()<GgufType::Q5_1>();
    case GgufType::Q8_0: return action.template operator()<GgufType::Q8_0>();
    case GgufType::Q2_K: return action.template operator()<GgufType::Q2_K>();
    case GgufType::Q3_K: return action.template operator()<GgufType::Q3_K>();
    case GgufType::Q4_K: return action.template operator()<GgufType::Q4_K>();
    case GgufType::Q5_K: return action.template operator()<GgufType::Q5_K>();
    case GgufType::Q6_K: return action.template operator()<GgufType::Q6_K>();
    case GgufType::IQ2_XXS: return action.template operator()<GgufType::IQ2_XXS>();
    case GgufType::IQ2_XS: return action.template operator()<GgufType::IQ2_XS>();
    case GgufType::IQ3_XXS: return action.template operator()<GgufType::IQ3_XXS>();
    case GgufType::IQ1_S: return action.template operator()<GgufType::IQ1_S>();
    case GgufType::IQ4_NL: return action.template operator()<GgufType::IQ4_NL>();
    case GgufType::IQ3_S: return action.template operator()<GgufType::IQ3_S>();
    case GgufType::IQ2_S: return action.template operator()<GgufType::IQ2_S>();
    case GgufType::IQ4_XS: return action.template operator()<GgufType::IQ4_XS>();
    case GgufType::IQ1_M: return action.template operator()<GgufType::IQ1_M>();
    case GgufType::TQ1_0: return action.template operator()<GgufType::TQ1_0>();
    case GgufType::TQ2_0: return action.template operator()<GgufType::TQ2_0>();
    case GgufType::MXFP4: return action.template operator()<GgufType::MXFP4>();
  }
  refuse("GGUF type of blocks", static_cast<int64_t>(type));
}

}  // namespace llmworker
