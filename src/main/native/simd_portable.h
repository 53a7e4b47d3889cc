// simd.h for any CPU, by the vectors of GCC and Clang. The compiler makes of them what the CPU has, or plain loops.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <bit>
#include <cstring>

namespace llmworker {

// Vectors of 16 bytes: what most CPUs have.
using Floats = float __attribute__((vector_size(16)));
using Ints = int32_t __attribute__((vector_size(16)));
using IntBits = uint32_t __attribute__((vector_size(16)));
using Shorts = int16_t __attribute__((vector_size(16)));
using ShortBits = uint16_t __attribute__((vector_size(16)));
using FourShorts = int16_t __attribute__((vector_size(8)));
using EightBytes = int8_t __attribute__((vector_size(8)));
using FourBytes = int8_t __attribute__((vector_size(4)));
using FourShortBits = uint16_t __attribute__((vector_size(8)));
using Bytes = uint8_t __attribute__((vector_size(16)));

struct F32x8 {
  Floats low, high;
};
struct I32x8 {
  Ints low, high;
};
struct I16x16 {
  Shorts low, high;
};
struct U8x16 {
  Bytes v;
};

template <typename Vector, typename Number>
inline Vector vector_at(const Number* p) {
  Vector v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <typename Vector>
inline void put_vector_at(void* p, Vector v) {
  std::memcpy(p, &v, sizeof v);
}

inline Floats four(float value) { return Floats{value, value, value, value}; }
inline IntBits four_bits(uint32_t value) { return IntBits{value, value, value, value}; }
// Each lane of `mask` is all ones or zero.
inline IntBits chosen(Ints mask, IntBits yes, IntBits no) { return ((IntBits)mask & yes) | (~(IntBits)mask & no); }
inline Floats chosen(Ints mask, Floats yes, Floats no) { return (Floats)chosen(mask, (IntBits)yes, (IntBits)no); }

inline F32x8 splat(float value) { return {four(value), four(value)}; }
inline F32x8 load8(const float* p) { return {vector_at<Floats>(p), vector_at<Floats>(p + 4)}; }

// A float16 has 10 of a float's 23 bits of fraction, and an exponent that is smaller by 112. The multiplication adds these, and
// normalises what was denormal.
inline Floats to_floats(IntBits halves) {
  const IntBits magnitude = (halves & four_bits(0x7FFF)) << 13;
  const IntBits finite = (IntBits)((Floats)magnitude * four(0x1p112f));
  const IntBits others = magnitude | four_bits(0x7F800000);
  return (Floats)(chosen((Ints)(magnitude >= four_bits(0x0F800000)), others, finite) | (halves & four_bits(0x8000)) << 16);
}

// Rounds to nearest, ties to even. Values from 65520 on become infinite.
inline IntBits to_halves(Floats values) {
  const IntBits bits = (IntBits)values, magnitude = bits & four_bits(0x7FFFFFFF), sign = bits >> 16 & four_bits(0x8000);
  // What has too small an exponent: the addition of 0.5 leaves the float16 in the lowest bits.
  const IntBits small = (IntBits)((Floats)magnitude + four(0.5f)) - four_bits(0x3F000000);
  const IntBits odd = magnitude >> 13 & four_bits(1);
  const IntBits normal = (magnitude - four_bits(112u << 23) + four_bits(0xFFF) + odd) >> 13;
  // Infinite, or not a number.
  const IntBits others = chosen((Ints)(magnitude > four_bits(0x7F800000)), four_bits(0x7E00), four_bits(0x7C00));
  const IntBits half = chosen((Ints)(magnitude < four_bits(113u << 23)), small, normal);
  return chosen((Ints)(magnitude >= four_bits(0x477FF000)), others, half) | sign;
}

inline IntBits widen(FourShortBits v) { return __builtin_convertvector(v, IntBits); }
inline FourShortBits narrow_bits(IntBits v) { return __builtin_convertvector(v, FourShortBits); }

inline F32x8 load8(const Half* p) {
  return {to_floats(widen(vector_at<FourShortBits>(p))), to_floats(widen(vector_at<FourShortBits>(p + 4)))};
}

inline F32x8 load8(const Bfloat* p) {
  return {(Floats)(widen(vector_at<FourShortBits>(p)) << 16), (Floats)(widen(vector_at<FourShortBits>(p + 4)) << 16)};
}

inline F32x8 load8(const int8_t* p) {
  return {__builtin_convertvector(vector_at<FourBytes>(p), Floats), __builtin_convertvector(vector_at<FourBytes>(p + 4), Floats)};
}

inline F32x8 operator+(F32x8 a, F32x8 b) { return {a.low + b.low, a.high + b.high}; }
inline F32x8 operator-(F32x8 a, F32x8 b) { return {a.low - b.low, a.high - b.high}; }
inline F32x8 operator*(F32x8 a, F32x8 b) { return {a.low * b.low, a.high * b.high}; }
inline F32x8 operator/(F32x8 a, F32x8 b) { return {a.low / b.low, a.high / b.high}; }

inline Floats multiply_add(Floats a, Floats b, Floats c) {
#ifdef __FP_FAST_FMAF
  Floats sum;
  for (int i = 0; i < 4; i++) sum[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return sum;
#else
  return a * b + c;
#endif
}

inline F32x8 multiply_add(F32x8 a, F32x8 b, F32x8 c) {
  return {multiply_add(a.low, b.low, c.low), multiply_add(a.high, b.high, c.high)};
}

inline F32x8 multiply_subtract(F32x8 a, F32x8 b, F32x8 c) { return multiply_add(F32x8{-a.low, -a.high}, b, c); }

inline F32x8 minimum(F32x8 a, F32x8 b) {
  return {chosen((Ints)(a.low < b.low), a.low, b.low), chosen((Ints)(a.high < b.high), a.high, b.high)};
}

inline F32x8 maximum(F32x8 a, F32x8 b) {
  return {chosen((Ints)(a.low > b.low), a.low, b.low), chosen((Ints)(a.high > b.high), a.high, b.high)};
}

inline Floats absolute(Floats v) { return (Floats)((IntBits)v & four_bits(0x7FFFFFFF)); }
inline F32x8 absolute(F32x8 v) { return {absolute(v.low), absolute(v.high)}; }

// From 2^23 on floats are whole. Below, adding that drops the fraction.
inline Floats round_to_whole(Floats v) {
  const Floats limit = four(0x1p23f), magnitude = absolute(v), whole = magnitude + limit - limit;
  const IntBits sign = (IntBits)v & four_bits(0x80000000);
  return chosen((Ints)(magnitude < limit), (Floats)((IntBits)whole | sign), v);
}

inline F32x8 round_to_whole(F32x8 v) { return {round_to_whole(v.low), round_to_whole(v.high)}; }

inline F32x8 first_lanes(int count, F32x8 v, F32x8 others) {
  const Ints limit{count, count, count, count}, first{0, 1, 2, 3}, last{4, 5, 6, 7};
  return {chosen((Ints)(first < limit), v.low, others.low), chosen((Ints)(last < limit), v.high, others.high)};
}

inline F32x8 where_at_least(F32x8 x, F32x8 limit, F32x8 v) {
  return {(Floats)((IntBits)(x.low >= limit.low) & (IntBits)v.low), (Floats)((IntBits)(x.high >= limit.high) & (IntBits)v.high)};
}

inline float sum8(F32x8 v) {
  const Floats s = v.low + v.high;
  return (s[0] + s[2]) + (s[1] + s[3]);
}

inline float max8(F32x8 v) {
  const auto greater = [](float a, float b) { return a > b ? a : b; };
  const Floats s = chosen((Ints)(v.low > v.high), v.low, v.high);
  return greater(greater(s[0], s[2]), greater(s[1], s[3]));
}

inline void store8(float* p, F32x8 v) {
  put_vector_at(p, v.low);
  put_vector_at(p + 4, v.high);
}

inline void store8(Half* p, F32x8 v) {
  const F32x8 clamped = maximum(minimum(v, splat(65504.0f)), splat(-65504.0f));
  put_vector_at(p, narrow_bits(to_halves(clamped.low)));
  put_vector_at(p + 4, narrow_bits(to_halves(clamped.high)));
}

inline void store8(Bfloat* p, F32x8 v) {
  const auto rounded = [](Floats v) {
    const IntBits bits = (IntBits)v;
    return narrow_bits((bits + four_bits(0x7FFF) + (bits >> 16 & four_bits(1))) >> 16);
  };
  put_vector_at(p, rounded(v.low));
  put_vector_at(p + 4, rounded(v.high));
}

inline I32x8 splat_integer(int32_t value) {
  const Ints all{value, value, value, value};
  return {all, all};
}

inline I32x8 operator+(I32x8 a, I32x8 b) {
  return {(Ints)((IntBits)a.low + (IntBits)b.low), (Ints)((IntBits)a.high + (IntBits)b.high)};
}

inline I32x8 to_integers(F32x8 v) {
  return {__builtin_convertvector(round_to_whole(v.low), Ints), __builtin_convertvector(round_to_whole(v.high), Ints)};
}

inline F32x8 to_floats(I32x8 v) { return {__builtin_convertvector(v.low, Floats), __builtin_convertvector(v.high, Floats)}; }

inline F32x8 power_of_two(I32x8 n) {
  return {(Floats)(((IntBits)n.low + four_bits(127)) << 23), (Floats)(((IntBits)n.high + four_bits(127)) << 23)};
}

inline I16x16 load16(const int16_t* p) { return {vector_at<Shorts>(p), vector_at<Shorts>(p + 8)}; }

inline void store16(int16_t* p, I16x16 v) {
  put_vector_at(p, v.low);
  put_vector_at(p + 8, v.high);
}

inline void store16_aligned(int16_t* p, I16x16 v) { store16(p, v); }
inline I16x16 load_words(const uint8_t* p) { return {vector_at<Shorts>(p), vector_at<Shorts>(p + 16)}; }

inline I16x16 load_bytes(const int8_t* p) {
  return {__builtin_convertvector(vector_at<EightBytes>(p), Shorts), __builtin_convertvector(vector_at<EightBytes>(p + 8), Shorts)};
}

inline I16x16 splat_word(int16_t value) {
  const Shorts all{value, value, value, value, value, value, value, value};
  return {all, all};
}

inline I16x16 splat_pair(const int16_t* p) {
  int32_t bits;
  std::memcpy(&bits, p, 4);
  const Shorts pairs = (Shorts)Ints{bits, bits, bits, bits};
  return {pairs, pairs};
}

inline I16x16 operator&(I16x16 a, I16x16 b) { return {a.low & b.low, a.high & b.high}; }
inline I16x16 operator|(I16x16 a, I16x16 b) { return {a.low | b.low, a.high | b.high}; }
inline I16x16 operator+(I16x16 a, I16x16 b) {
  return {(Shorts)((ShortBits)a.low + (ShortBits)b.low), (Shorts)((ShortBits)a.high + (ShortBits)b.high)};
}

inline I16x16 operator^(I16x16 a, I16x16 b) { return {a.low ^ b.low, a.high ^ b.high}; }

inline I16x16 shift_left(I16x16 v, int bits) {
  const auto by = static_cast<uint16_t>(bits);
  return {(Shorts)((ShortBits)v.low << by), (Shorts)((ShortBits)v.high << by)};
}

inline I16x16 shift_right(I16x16 v, int bits) {
  const auto by = static_cast<uint16_t>(bits);
  return {(Shorts)((ShortBits)v.low >> by), (Shorts)((ShortBits)v.high >> by)};
}

inline I16x16 shift_right_signed(I16x16 v, int bits) {
  const auto by = static_cast<int16_t>(bits);
  return {v.low >> by, v.high >> by};
}

inline Ints pair_products(Shorts a, Shorts b) {
#if defined(__x86_64__)
  // Every x86-64 has this one, and compilers do not find it.
  return (Ints)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
  const auto even = [](Shorts v) { return (Ints)((IntBits)v << 16) >> 16; };
  const auto odd = [](Shorts v) { return (Ints)v >> 16; };
  return (Ints)((IntBits)(even(a) * even(b)) + (IntBits)(odd(a) * odd(b)));
#endif
}

inline I32x8 pair_products(I16x16 a, I16x16 b) { return {pair_products(a.low, b.low), pair_products(a.high, b.high)}; }

inline I16x16 narrow(I32x8 a, I32x8 b) {
  const auto fitting = [](Ints v) {
    const Ints most{32767, 32767, 32767, 32767}, least = -most - 1;
    const Ints below = (Ints)chosen((Ints)(v < most), (IntBits)v, (IntBits)most);
    return __builtin_convertvector((Ints)chosen((Ints)(below > least), (IntBits)below, (IntBits)least), FourShorts);
  };
  const FourShorts each[4] = {fitting(a.low), fitting(a.high), fitting(b.low), fitting(b.high)};
  return {vector_at<Shorts>(each), vector_at<Shorts>(each + 2)};
}

inline U8x16 load16(const uint8_t* p) { return {vector_at<Bytes>(p)}; }
inline void store16(uint8_t* p, U8x16 v) { put_vector_at(p, v.v); }

inline U8x16 splat_byte(uint8_t value) {
  U8x16 all;
  std::memset(&all.v, value, sizeof all.v);
  return all;
}

inline U8x16 operator-(U8x16 a, U8x16 b) { return {a.v - b.v}; }
inline U8x16 low_nibbles(U8x16 v) { return {v.v & splat_byte(15).v}; }
inline U8x16 high_nibbles(U8x16 v) { return {v.v >> static_cast<uint8_t>(4)}; }

inline U8x16 pick(U8x16 v, U8x16 order) {
  U8x16 picked{};
  for (int i = 0; i < 16; i++) picked.v[i] = v.v[order.v[i]];
  return picked;
}

inline I16x16 pick(U8x16 v, I16x16 order) {
  return {(Shorts)pick(v, U8x16{(Bytes)order.low}).v, (Shorts)pick(v, U8x16{(Bytes)order.high}).v};
}

inline U8x16 join_nibbles(U8x16 a, U8x16 b) {
  // As words of 16 bits the low byte is an even lane.
  const auto joined = [](Bytes v) { return ((ShortBits)v | (ShortBits)v >> static_cast<uint16_t>(4)); };
  const ShortBits low = joined(a.v), high = joined(b.v);
  U8x16 all{};
  for (int i = 0; i < 8; i++) {
    all.v[i] = static_cast<uint8_t>(low[i]);
    all.v[8 + i] = static_cast<uint8_t>(high[i]);
  }
  return all;
}

inline void transpose_words(U8x16 (&v)[4]) {
  uint32_t words[4][4], turned[4][4];
  std::memcpy(words, v, sizeof words);
  for (int i = 0; i < 4; i++) {
    for (int j = 0; j < 4; j++) turned[j][i] = words[i][j];
  }
  std::memcpy(v, turned, sizeof turned);
}

inline uint16_t to_half(float value) { return static_cast<uint16_t>(to_halves(four(value))[0]); }
inline float from_half(uint16_t half) { return to_floats(four_bits(half))[0]; }

constexpr bool BYTE_PRODUCTS = false;
constexpr bool PAIR_PRODUCTS = false;
constexpr float LARGEST_ACTIVATION = 32767.0f;

inline bool can_multiply(Products how) { return how == Products::WORDS; }

inline void compute_now(I32x8&, I32x8&) {}

inline void pause_in_loop() {
#if defined(__x86_64__)
  _mm_pause();
#else
  asm volatile("" ::: "memory");
#endif
}

}  // namespace llmworker
