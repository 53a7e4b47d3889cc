// wide.h for instruction sets whose widest vectors are those of eight lanes in simd.h, or are taken as such.
#pragma once

namespace llmworker {

constexpr int LANES = 8;
constexpr int TILE = 4;
constexpr int FEW = 5;
constexpr int DIRECT = 16;
constexpr int PAIR_TILE = 5;
constexpr int PAIR_FEW = 5;
constexpr int chains(int) { return 1; }

using WideFloats = F32x8;
using WideIntegers = I32x8;
using WideWords = I16x16;

inline WideFloats splat_wide(float value) { return splat(value); }
inline WideFloats load_wide(const float* p) { return load8(p); }
inline WideFloats load_wide(const Half* p) { return load8(p); }
inline WideFloats load_wide(const Bfloat* p) { return load8(p); }
inline WideFloats load_wide(const int8_t* p) { return load8(p); }
inline void store_wide(float* p, WideFloats v) { store8(p, v); }

inline WideIntegers splat_integer_wide(int32_t value) { return splat_integer(value); }
inline WideWords load_wide(const uint8_t* p) { return load_words(p); }
inline WideWords load_wide(const int16_t* p) { return load16(p); }
inline void store_wide_aligned(int16_t* p, WideWords v) { store16_aligned(p, v); }
inline WideWords splat_pair_wide(const int16_t* p) { return splat_pair(p); }
inline WideWords splat_word_wide(int16_t value) { return splat_word(value); }
inline WideWords lowest_bits(WideWords v, int bits) { return v & splat_word(static_cast<int16_t>((1 << bits) - 1)); }
inline WideWords low_nibbles(WideWords v) { return v & splat_word(0x0F0F); }
inline WideIntegers add_pair_products(WideIntegers sum, WideWords a, WideWords b) { return sum + pair_products(a, b); }

}  // namespace llmworker
