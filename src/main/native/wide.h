// The widest vectors of an instruction set, for the products of matrices. Like simd.h, which has those of eight lanes: an
// instruction set is one header, which defines what is declared here, and these constants:
//
// LANES      floats, or integers of 32 bits, in a vector
// TILE       rows of activations that are multiplied with a panel at once: their sums and two vectors of weights fill the registers
// FEW        the same if the weights are unpacked as they are multiplied, which takes registers, too
// DIRECT     up to this many rows, each tile of FEW rows unpacks weights of 4 and 8 bits itself
// PAIR_TILE, PAIR_FEW  the same for products of pairs of bytes
// chains(n)  how many sums each of n rows has, so that an addition need not wait for the one before
//
// Sums of products are of integers, and floats are added in the same order. So AVX2 and AVX-512 give the same bits.
#pragma once

#include "simd.h"

// WideFloats, WideIntegers (of 32 bits) and WideWords (of 16 bits, twice as many) are defined here.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VNNI__)
#include "wide_avx512.h"
#else
#include "wide_eight.h"
#endif

namespace llmworker {

inline WideFloats splat_wide(float value);
// Memory needs no alignment.
inline WideFloats load_wide(const float* p);
inline WideFloats load_wide(const Half* p);
inline WideFloats load_wide(const Bfloat* p);
inline WideFloats load_wide(const int8_t* p);
inline void store_wide(float* p, WideFloats v);
inline WideFloats operator+(WideFloats a, WideFloats b);
inline WideFloats operator*(WideFloats a, WideFloats b);
// a · b + c, rounded once.
inline WideFloats multiply_add(WideFloats a, WideFloats b, WideFloats c);
inline WideIntegers operator+(WideIntegers a, WideIntegers b);
inline WideFloats to_floats(WideIntegers v);
inline WideIntegers splat_integer_wide(int32_t value);

inline WideWords load_wide(const uint8_t* p);
inline WideWords load_wide(const int16_t* p);
// At a multiple of the vector's bytes.
inline void store_wide_aligned(int16_t* p, WideWords v);
// The numbers at p[0] and p[1] by turns.
inline WideWords splat_pair_wide(const int16_t* p);
inline WideWords splat_word_wide(int16_t value);
inline WideWords operator&(WideWords a, WideWords b);
inline WideWords operator|(WideWords a, WideWords b);
inline WideWords operator+(WideWords a, WideWords b);
inline WideWords lowest_bits(WideWords v, int bits);
inline WideWords shift_left(WideWords v, int bits);
inline WideWords shift_right(WideWords v, int bits);
// Shifts copies of the sign in.
inline WideWords shift_right_signed(WideWords v, int bits);
// Of each byte.
inline WideWords low_nibbles(WideWords v);
// Byte i is v[byte i of order], which is below 16.
inline WideWords pick(U8x16 v, WideWords order);
// Lane i is sum[i] + a[2i] · b[2i] + a[2i + 1] · b[2i + 1].
inline WideIntegers add_pair_products(WideIntegers sum, WideWords a, WideWords b);
// The compiler computes a and b here, and nothing of what follows before them.
inline void compute_now(WideIntegers& a, WideIntegers& b);

}  // namespace llmworker
