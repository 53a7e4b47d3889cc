// The vectors that the kernels compute with. No other file names an instruction set.
//
// An instruction set is one header, such as simd_avx2.h, which defines each type, constant and function that is declared here.
// To add one: write its header and include it below. simd_portable.h needs a C++ compiler and nothing of the CPU.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace llmworker {

static_assert(std::endian::native == std::endian::little, "weights are stored with their lowest byte first");

// Numbers of 16 bits in memory, told apart by their type.
struct Half {
  uint16_t bits;
};
struct Bfloat {
  uint16_t bits;
};

// Vectors in registers, named by the type and the number of their lanes. `F32x8 a{}` is all zeros.
struct F32x8;
struct I32x8;
struct I16x16;
struct U8x16;

// ---- Floats.

inline F32x8 splat(float value);
// Memory needs no alignment.
inline F32x8 load8(const float* p);
inline F32x8 load8(const Half* p);
inline F32x8 load8(const Bfloat* p);
inline F32x8 load8(const int8_t* p);
inline void store8(float* p, F32x8 v);
// Rounds to nearest, ties to even. A value past float16's range becomes its largest one: infinity would turn every later sum
// of the sequence into NaN.
inline void store8(Half* p, F32x8 v);
// Rounds to nearest, ties to even.
inline void store8(Bfloat* p, F32x8 v);

inline F32x8 operator+(F32x8 a, F32x8 b);
inline F32x8 operator-(F32x8 a, F32x8 b);
inline F32x8 operator*(F32x8 a, F32x8 b);
inline F32x8 operator/(F32x8 a, F32x8 b);
// a · b + c, rounded once. On a CPU without such an instruction simd_portable.h rounds twice.
inline F32x8 multiply_add(F32x8 a, F32x8 b, F32x8 c);
// c - a · b, likewise.
inline F32x8 multiply_subtract(F32x8 a, F32x8 b, F32x8 c);
// The next two return b if a or b is not a number.
inline F32x8 minimum(F32x8 a, F32x8 b);
inline F32x8 maximum(F32x8 a, F32x8 b);
inline F32x8 absolute(F32x8 v);
// To the nearest whole number, ties to even.
inline F32x8 round_to_whole(F32x8 v);
// The first `count` lanes of v, and those of `others` after them. count: any number, also below 0 and above 8.
inline F32x8 first_lanes(int count, F32x8 v, F32x8 others);
// v in lanes where x >= limit, else 0.
inline F32x8 where_at_least(F32x8 x, F32x8 limit, F32x8 v);

// The order of the sums is fixed: lanes i and i + 4, then i and i + 2, then the last two.
inline float sum8(F32x8 v);
inline float max8(F32x8 v);

// ---- Integers of 32 bits. Sums wrap around.

inline I32x8 splat_integer(int32_t value);
inline I32x8 operator+(I32x8 a, I32x8 b);
// To the nearest integer, ties to even.
inline I32x8 to_integers(F32x8 v);
inline F32x8 to_floats(I32x8 v);
// 2 to the power of n, for n from -126 to 127.
inline F32x8 power_of_two(I32x8 n);

// ---- Integers of 16 bits. Sums wrap around.

inline I16x16 load16(const int16_t* p);
inline void store16(int16_t* p, I16x16 v);
// At a multiple of 32 bytes.
inline void store16_aligned(int16_t* p, I16x16 v);
// Sixteen words of 16 bits from 32 bytes.
inline I16x16 load_words(const uint8_t* p);
// Sixteen signed bytes.
inline I16x16 load_bytes(const int8_t* p);
inline I16x16 splat_word(int16_t value);
// The numbers at p[0] and p[1] by turns.
inline I16x16 splat_pair(const int16_t* p);
inline I16x16 operator+(I16x16 a, I16x16 b);
inline I16x16 operator&(I16x16 a, I16x16 b);
inline I16x16 operator|(I16x16 a, I16x16 b);
inline I16x16 operator^(I16x16 a, I16x16 b);
inline I16x16 shift_left(I16x16 v, int bits);
inline I16x16 shift_right(I16x16 v, int bits);
// Shifts copies of the sign in.
inline I16x16 shift_right_signed(I16x16 v, int bits);
// Lane i is a[2i] · b[2i] + a[2i + 1] · b[2i + 1].
inline I32x8 pair_products(I16x16 a, I16x16 b);
// The lanes of a, then those of b. Those that do not fit become the nearest number that does.
inline I16x16 narrow(I32x8 a, I32x8 b);

// ---- Bytes, to reorder weights.

inline U8x16 load16(const uint8_t* p);
inline void store16(uint8_t* p, U8x16 v);
inline U8x16 splat_byte(uint8_t value);
inline U8x16 operator-(U8x16 a, U8x16 b);
inline U8x16 low_nibbles(U8x16 v);
inline U8x16 high_nibbles(U8x16 v);
// Byte i is v[byte i of order], which is below 16.
inline U8x16 pick(U8x16 v, U8x16 order);
inline I16x16 pick(U8x16 v, I16x16 order);
// Bytes below 16 as nibbles: lane i is low byte 2i and high byte 2i + 1 of a, then of b.
inline U8x16 join_nibbles(U8x16 a, U8x16 b);
// Four vectors of four words of 32 bits: word j of vector i becomes word i of vector j.
inline void transpose_words(U8x16 (&v)[4]);

// ---- Single numbers of 16 bits. Rounds to nearest, ties to even.

inline uint16_t to_half(float value);
inline float from_half(uint16_t half);

// ---- Products of weights and activations.

// How a CPU multiplies quants. Within a library all ways have the same results, bit by bit.
enum class Products {
  WORDS,   // both as 16-bit numbers: pair_products
  DOTS,    // bytes: sums of four products
  BLOCKS,  // bytes: matrices of two rows times matrices of two rows
  PAIRS,   // unsigned bytes of weights with signed ones of activations: sums of two products in 16 bits
};

// Each header defines these:
//   constexpr bool BYTE_PRODUCTS, whether it has DOTS and BLOCKS
//   constexpr bool PAIR_PRODUCTS, whether it has PAIRS
//   constexpr float LARGEST_ACTIVATION, what a block's largest activation becomes in 16 bits

// Whether this CPU can multiply in this way. Asks the system, so ask once.
inline bool can_multiply(Products how);

// For BYTE_PRODUCTS and PAIR_PRODUCTS alone: sixteen numbers from -128 to 127 as bytes.
inline U8x16 narrow(I16x16 v);

// For PAIR_PRODUCTS alone.
// Lane i is a[2i] · b[2i] + a[2i + 1] · b[2i + 1] of bytes: unsigned ones in a, signed ones in b. It must fit into 16 bits.
inline I16x16 byte_pair_products(I16x16 a, I16x16 b);
inline void compute_now(I16x16& a, I16x16& b);

// For BYTE_PRODUCTS alone. Adds a number to each byte.
inline I16x16 add_bytes(I16x16 v, int number);

// For BYTE_PRODUCTS alone. Activations are split: a number is 256 · high + low, with high and low from -128 to 127. Returns the
// high halves of eight numbers, and then their low halves.
inline U8x16 split(const int16_t* numbers);

// For BYTE_PRODUCTS alone: sums of eight rows of signed bytes times one row of activations.
//
//   void add(I16x16 first, I16x16 others, const uint8_t* columns)
//       Adds eight columns: of each row four in `first` and four in `others`, times the activations that `split` returned, in the
//       same order.
//   I32x8 total() const
template <Products HOW>
struct ByteSums;

// The same for activations that are bytes. Only DOTS have it. Eight columns are eight bytes.
template <Products HOW>
struct WholeByteSums;

// ---- For the compiler and the processor.

// The compiler computes a and b here, and nothing of what follows before them.
inline void compute_now(I32x8& a, I32x8& b);
// Asks the processor to load bytes into its cache. They may lie outside the memory of the program.
inline void load_ahead(const uint8_t* p, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i);
}
// Tells the processor that this thread waits in a loop.
inline void pause_in_loop();

}  // namespace llmworker

#if defined(LLMWORKER_PORTABLE)
#include "simd_portable.h"
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include "simd_avx2.h"
#elif defined(__aarch64__)
#include "simd_neon.h"
#else
#include "simd_portable.h"
#endif

namespace llmworker {

// e to the power of x to 2 units in the last place; 0 below -87.3, where floats lose their digits.
// 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2] (Cephes' coefficients).
inline F32x8 exp8(F32x8 x) {
  const F32x8 lowest = splat(-87.3f), clamped = minimum(maximum(x, lowest), splat(88.3f));
  const F32x8 n = round_to_whole(clamped * splat(1.44269504f));
  F32x8 r = multiply_subtract(n, splat(0.693359375f), clamped);
  r = multiply_subtract(n, splat(-2.12194440e-4f), r);
  F32x8 p = splat(1.9875691500e-4f);
  p = multiply_add(p, r, splat(1.3981999507e-3f));
  p = multiply_add(p, r, splat(8.3334519073e-3f));
  p = multiply_add(p, r, splat(4.1665795894e-2f));
  p = multiply_add(p, r, splat(1.6666665459e-1f));
  p = multiply_add(p, r, splat(5.0000001201e-1f));
  p = multiply_add(p, r * r, r + splat(1.0f));
  return where_at_least(x, lowest, p * power_of_two(to_integers(n)));
}

}  // namespace llmworker
