// wide.h for AVX-512 with VNNI.
#pragma once

#include <immintrin.h>

#include <cstring>

namespace llmworker {

constexpr int LANES = 16;
constexpr int TILE = 10;
constexpr int FEW = 8;
constexpr int DIRECT = 8;
// Unused.
constexpr int PAIR_TILE = 1;
constexpr int PAIR_FEW = 1;
// `vpdpwssd` takes four or five cycles.
constexpr int chains(int rows) { return rows <= 2 ? 2 : 1; }

struct WideFloats {
  __m512 v;
};
struct WideIntegers {
  __m512i v;
};
struct WideWords {
  __m512i v;
};

inline WideFloats splat_wide(float value) { return {_mm512_set1_ps(value)}; }
inline WideFloats load_wide(const float* p) { return {_mm512_loadu_ps(p)}; }

inline WideFloats load_wide(const Half* p) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
}

inline WideFloats load_wide(const Bfloat* p) {
  const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}

inline WideFloats load_wide(const int8_t* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}

inline void store_wide(float* p, WideFloats v) { _mm512_storeu_ps(p, v.v); }
inline WideFloats operator+(WideFloats a, WideFloats b) { return {_mm512_add_ps(a.v, b.v)}; }
inline WideFloats operator*(WideFloats a, WideFloats b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline WideFloats multiply_add(WideFloats a, WideFloats b, WideFloats c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline WideIntegers operator+(WideIntegers a, WideIntegers b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline WideFloats to_floats(WideIntegers v) { return {_mm512_cvtepi32_ps(v.v)}; }

inline WideIntegers splat_integer_wide(int32_t value) { return {_mm512_set1_epi32(value)}; }

inline WideWords load_wide(const uint8_t* p) { return {_mm512_loadu_si512(p)}; }
inline WideWords load_wide(const int16_t* p) { return {_mm512_loadu_si512(p)}; }
inline void store_wide_aligned(int16_t* p, WideWords v) { _mm512_store_si512(p, v.v); }

inline WideWords splat_pair_wide(const int16_t* p) {
  int32_t bits;
  std::memcpy(&bits, p, 4);
  return {_mm512_set1_epi32(bits)};
}

inline WideWords splat_word_wide(int16_t value) { return {_mm512_set1_epi16(value)}; }
inline WideWords operator&(WideWords a, WideWords b) { return {_mm512_and_si512(a.v, b.v)}; }
inline WideWords operator|(WideWords a, WideWords b) { return {_mm512_or_si512(a.v, b.v)}; }
inline WideWords operator+(WideWords a, WideWords b) { return {_mm512_add_epi16(a.v, b.v)}; }
inline WideWords lowest_bits(WideWords v, int bits) {
  return {_mm512_and_si512(v.v, _mm512_set1_epi16(static_cast<int16_t>((1 << bits) - 1)))};
}

inline WideWords shift_left(WideWords v, int bits) { return {_mm512_slli_epi16(v.v, bits)}; }
inline WideWords shift_right(WideWords v, int bits) { return {_mm512_srli_epi16(v.v, bits)}; }
inline WideWords shift_right_signed(WideWords v, int bits) { return {_mm512_srai_epi16(v.v, bits)}; }
inline WideWords low_nibbles(WideWords v) { return {_mm512_and_si512(v.v, _mm512_set1_epi8(15))}; }
inline WideWords pick(U8x16 v, WideWords order) { return {_mm512_shuffle_epi8(_mm512_broadcast_i32x4(v.v), order.v)}; }
inline WideIntegers add_pair_products(WideIntegers sum, WideWords a, WideWords b) { return {_mm512_dpwssd_epi32(sum.v, a.v, b.v)}; }
inline void compute_now(WideIntegers& a, WideIntegers& b) { asm volatile("" : "+v"(a.v), "+v"(b.v)); }

// For products of pairs of bytes. They compile, but no matrix is multiplied so: PAIR_PRODUCTS is false.
inline WideWords byte_pair_products(WideWords a, WideWords b) { return {_mm512_maddubs_epi16(a.v, b.v)}; }
inline WideIntegers pair_products(WideWords a, WideWords b) { return {_mm512_madd_epi16(a.v, b.v)}; }
inline void compute_now(WideWords& a, WideWords& b) { asm volatile("" : "+v"(a.v), "+v"(b.v)); }

}  // namespace llmworker
