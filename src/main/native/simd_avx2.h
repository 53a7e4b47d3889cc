// simd.h for AVX2, FMA and F16C.
#pragma once

#include <immintrin.h>

#include <cstring>

namespace llmworker {

struct F32x8 {
  __m256 v;
};
struct I32x8 {
  __m256i v;
};
struct I16x16 {
  __m256i v;
};
struct U8x16 {
  __m128i v;
};

inline F32x8 splat(float value) { return {_mm256_set1_ps(value)}; }

inline F32x8 load8(const float* p) { return {_mm256_loadu_ps(p)}; }

inline F32x8 load8(const Half* p) { return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))}; }

inline F32x8 load8(const Bfloat* p) {
  const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16))};
}

inline F32x8 load8(const int8_t* p) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
}

inline void store8(float* p, F32x8 v) { _mm256_storeu_ps(p, v.v); }

inline void store8(Half* p, F32x8 v) {
  const __m256 largest = _mm256_set1_ps(65504.0f);
  const __m256 clamped = _mm256_max_ps(_mm256_min_ps(v.v, largest), _mm256_sub_ps(_mm256_setzero_ps(), largest));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(clamped, _MM_FROUND_TO_NEAREST_INT));
}

inline void store8(Bfloat* p, F32x8 v) {
  const __m256i bits = _mm256_castps_si256(v.v);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
  const __m256i upper = _mm256_srli_epi32(rounded, 16);
  const __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(upper, upper), 0x08);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_castsi256_si128(packed));
}

inline F32x8 operator+(F32x8 a, F32x8 b) { return {_mm256_add_ps(a.v, b.v)}; }
inline F32x8 operator-(F32x8 a, F32x8 b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline F32x8 operator*(F32x8 a, F32x8 b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline F32x8 operator/(F32x8 a, F32x8 b) { return {_mm256_div_ps(a.v, b.v)}; }
inline F32x8 multiply_add(F32x8 a, F32x8 b, F32x8 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
inline F32x8 multiply_subtract(F32x8 a, F32x8 b, F32x8 c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
inline F32x8 minimum(F32x8 a, F32x8 b) { return {_mm256_min_ps(a.v, b.v)}; }
inline F32x8 maximum(F32x8 a, F32x8 b) { return {_mm256_max_ps(a.v, b.v)}; }
inline F32x8 absolute(F32x8 v) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), v.v)}; }

inline F32x8 round_to_whole(F32x8 v) { return {_mm256_round_ps(v.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }

inline F32x8 first_lanes(int count, F32x8 v, F32x8 others) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i chosen = _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lanes);
  return {_mm256_blendv_ps(others.v, v.v, _mm256_castsi256_ps(chosen))};
}

inline F32x8 where_at_least(F32x8 x, F32x8 limit, F32x8 v) {
  return {_mm256_and_ps(_mm256_cmp_ps(x.v, limit.v, _CMP_GE_OQ), v.v)};
}

inline float sum8(F32x8 v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v.v), _mm256_extractf128_ps(v.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

inline float max8(F32x8 v) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(v.v), _mm256_extractf128_ps(v.v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

inline I32x8 splat_integer(int32_t value) { return {_mm256_set1_epi32(value)}; }
inline I32x8 operator+(I32x8 a, I32x8 b) { return {_mm256_add_epi32(a.v, b.v)}; }
inline I32x8 to_integers(F32x8 v) { return {_mm256_cvtps_epi32(v.v)}; }
inline F32x8 to_floats(I32x8 v) { return {_mm256_cvtepi32_ps(v.v)}; }

inline F32x8 power_of_two(I32x8 n) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n.v, _mm256_set1_epi32(127)), 23))};
}

inline I16x16 load16(const int16_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
inline void store16(int16_t* p, I16x16 v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v.v); }
inline void store16_aligned(int16_t* p, I16x16 v) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), v.v); }
inline I16x16 load_words(const uint8_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
inline I16x16 load_bytes(const int8_t* p) {
  return {_mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
}
inline I16x16 splat_word(int16_t value) { return {_mm256_set1_epi16(value)}; }

inline I16x16 splat_pair(const int16_t* p) {
  int32_t bits;
  std::memcpy(&bits, p, 4);
  return {_mm256_set1_epi32(bits)};
}

inline I16x16 operator+(I16x16 a, I16x16 b) { return {_mm256_add_epi16(a.v, b.v)}; }
inline I16x16 operator&(I16x16 a, I16x16 b) { return {_mm256_and_si256(a.v, b.v)}; }
inline I16x16 operator|(I16x16 a, I16x16 b) { return {_mm256_or_si256(a.v, b.v)}; }
inline I16x16 operator^(I16x16 a, I16x16 b) { return {_mm256_xor_si256(a.v, b.v)}; }
inline I16x16 shift_left(I16x16 v, int bits) { return {_mm256_slli_epi16(v.v, bits)}; }
inline I16x16 shift_right(I16x16 v, int bits) { return {_mm256_srli_epi16(v.v, bits)}; }
inline I16x16 shift_right_signed(I16x16 v, int bits) { return {_mm256_srai_epi16(v.v, bits)}; }
inline I32x8 pair_products(I16x16 a, I16x16 b) { return {_mm256_madd_epi16(a.v, b.v)}; }

inline I16x16 narrow(I32x8 a, I32x8 b) { return {_mm256_permute4x64_epi64(_mm256_packs_epi32(a.v, b.v), 0xD8)}; }

inline U8x16 load16(const uint8_t* p) { return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))}; }
inline void store16(uint8_t* p, U8x16 v) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), v.v); }
inline U8x16 splat_byte(uint8_t value) { return {_mm_set1_epi8(static_cast<char>(value))}; }
inline U8x16 operator-(U8x16 a, U8x16 b) { return {_mm_sub_epi8(a.v, b.v)}; }
inline U8x16 low_nibbles(U8x16 v) { return {_mm_and_si128(v.v, _mm_set1_epi8(15))}; }
inline U8x16 high_nibbles(U8x16 v) { return {_mm_and_si128(_mm_srli_epi16(v.v, 4), _mm_set1_epi8(15))}; }
inline U8x16 pick(U8x16 v, U8x16 order) { return {_mm_shuffle_epi8(v.v, order.v)}; }
inline I16x16 pick(U8x16 v, I16x16 order) { return {_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(v.v), order.v)}; }

inline U8x16 join_nibbles(U8x16 a, U8x16 b) {
  const __m128i one_and_sixteen = _mm_set1_epi16(0x1001);
  return {_mm_packus_epi16(_mm_maddubs_epi16(a.v, one_and_sixteen), _mm_maddubs_epi16(b.v, one_and_sixteen))};
}

inline void transpose_words(U8x16 (&v)[4]) {
  const __m128i a = _mm_unpacklo_epi32(v[0].v, v[1].v), b = _mm_unpacklo_epi32(v[2].v, v[3].v);
  const __m128i c = _mm_unpackhi_epi32(v[0].v, v[1].v), d = _mm_unpackhi_epi32(v[2].v, v[3].v);
  v[0].v = _mm_unpacklo_epi64(a, b);
  v[1].v = _mm_unpackhi_epi64(a, b);
  v[2].v = _mm_unpacklo_epi64(c, d);
  v[3].v = _mm_unpackhi_epi64(c, d);
}

inline uint16_t to_half(float value) {
  return static_cast<uint16_t>(_mm_extract_epi16(_mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT), 0));
}

inline float from_half(uint16_t half) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half))); }

constexpr bool BYTE_PRODUCTS = false;
constexpr float LARGEST_ACTIVATION = 32767.0f;

#ifdef __AVX512VNNI__
// Its products of 16-bit numbers take as many instructions.
constexpr bool PAIR_PRODUCTS = false;
#else
constexpr bool PAIR_PRODUCTS = true;
#endif

inline bool can_multiply(Products how) { return how == Products::WORDS || (how == Products::PAIRS && PAIR_PRODUCTS); }

inline I16x16 byte_pair_products(I16x16 a, I16x16 b) { return {_mm256_maddubs_epi16(a.v, b.v)}; }
inline void compute_now(I16x16& a, I16x16& b) { asm volatile("" : "+x"(a.v), "+x"(b.v)); }

inline U8x16 narrow(I16x16 v) {
  return {_mm_packs_epi16(_mm256_castsi256_si128(v.v), _mm256_extracti128_si256(v.v, 1))};
}

inline void compute_now(I32x8& a, I32x8& b) { asm volatile("" : "+x"(a.v), "+x"(b.v)); }

inline void pause_in_loop() { _mm_pause(); }

}  // namespace llmworker
