// simd.h for ARM with NEON, which every 64-bit ARM CPU has. Instructions that only some have are used if the CPU has them: sdot
// (FEAT_DotProd) and smmla (FEAT_I8MM).
#pragma once

#include <arm_neon.h>

#ifdef __APPLE__
#include <sys/sysctl.h>
#else
#include <sys/auxv.h>
#endif

#include <cstring>

namespace llmworker {

struct F32x8 {
  float32x4_t low, high;
};
struct I32x8 {
  int32x4_t low, high;
};
struct I16x16 {
  int16x8_t low, high;
};
struct U8x16 {
  uint8x16_t v;
};

inline F32x8 splat(float value) { return {vdupq_n_f32(value), vdupq_n_f32(value)}; }

inline F32x8 load8(const float* p) { return {vld1q_f32(p), vld1q_f32(p + 4)}; }

inline F32x8 load8(const Half* p) {
  const float16x8_t halves = vreinterpretq_f16_u16(vld1q_u16(&p->bits));
  return {vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves)};
}

inline F32x8 load8(const Bfloat* p) {
  const uint16x8_t bits = vld1q_u16(&p->bits);
  return {vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(bits), 16)), vreinterpretq_f32_u32(vshll_high_n_u16(bits, 16))};
}

inline F32x8 load8(const int8_t* p) {
  const int16x8_t words = vmovl_s8(vld1_s8(p));
  return {vcvtq_f32_s32(vmovl_s16(vget_low_s16(words))), vcvtq_f32_s32(vmovl_high_s16(words))};
}

inline F32x8 operator+(F32x8 a, F32x8 b) { return {vaddq_f32(a.low, b.low), vaddq_f32(a.high, b.high)}; }
inline F32x8 operator-(F32x8 a, F32x8 b) { return {vsubq_f32(a.low, b.low), vsubq_f32(a.high, b.high)}; }
inline F32x8 operator*(F32x8 a, F32x8 b) { return {vmulq_f32(a.low, b.low), vmulq_f32(a.high, b.high)}; }
inline F32x8 operator/(F32x8 a, F32x8 b) { return {vdivq_f32(a.low, b.low), vdivq_f32(a.high, b.high)}; }

inline F32x8 multiply_add(F32x8 a, F32x8 b, F32x8 c) {
  return {vfmaq_f32(c.low, a.low, b.low), vfmaq_f32(c.high, a.high, b.high)};
}

inline F32x8 multiply_subtract(F32x8 a, F32x8 b, F32x8 c) {
  return {vfmsq_f32(c.low, a.low, b.low), vfmsq_f32(c.high, a.high, b.high)};
}

// vminq and vmaxq treat what is not a number in another way.
inline float32x4_t lesser(float32x4_t a, float32x4_t b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline float32x4_t greater(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }

inline F32x8 minimum(F32x8 a, F32x8 b) { return {lesser(a.low, b.low), lesser(a.high, b.high)}; }
inline F32x8 maximum(F32x8 a, F32x8 b) { return {greater(a.low, b.low), greater(a.high, b.high)}; }
inline F32x8 absolute(F32x8 v) { return {vabsq_f32(v.low), vabsq_f32(v.high)}; }
inline F32x8 round_to_whole(F32x8 v) { return {vrndnq_f32(v.low), vrndnq_f32(v.high)}; }

inline F32x8 first_lanes(int count, F32x8 v, F32x8 others) {
  static constexpr int32_t LANES[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  const int32x4_t limit = vdupq_n_s32(count);
  return {vbslq_f32(vcgtq_s32(limit, vld1q_s32(LANES)), v.low, others.low),
          vbslq_f32(vcgtq_s32(limit, vld1q_s32(LANES + 4)), v.high, others.high)};
}

inline F32x8 where_at_least(F32x8 x, F32x8 limit, F32x8 v) {
  const float32x4_t zero = vdupq_n_f32(0.0f);
  return {vbslq_f32(vcgeq_f32(x.low, limit.low), v.low, zero), vbslq_f32(vcgeq_f32(x.high, limit.high), v.high, zero)};
}

inline float sum8(F32x8 v) {
  const float32x4_t four = vaddq_f32(v.low, v.high);
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

inline float max8(F32x8 v) {
  const float32x4_t four = greater(v.low, v.high), two = greater(four, vextq_f32(four, four, 2));
  return vgetq_lane_f32(greater(two, vextq_f32(two, two, 1)), 0);
}

inline void store8(float* p, F32x8 v) {
  vst1q_f32(p, v.low);
  vst1q_f32(p + 4, v.high);
}

inline void store8(Half* p, F32x8 v) {
  const F32x8 clamped = maximum(minimum(v, splat(65504.0f)), splat(-65504.0f));
  const float16x8_t halves = vcvt_high_f16_f32(vcvt_f16_f32(clamped.low), clamped.high);
  vst1q_u16(&p->bits, vreinterpretq_u16_f16(halves));
}

inline void store8(Bfloat* p, F32x8 v) {
  const auto rounded = [](float32x4_t four) {
    const uint32x4_t bits = vreinterpretq_u32_f32(four);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    return vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7FFF)));
  };
  vst1q_u16(&p->bits, vshrn_high_n_u32(vshrn_n_u32(rounded(v.low), 16), rounded(v.high), 16));
}

inline I32x8 splat_integer(int32_t value) { return {vdupq_n_s32(value), vdupq_n_s32(value)}; }
inline I32x8 operator+(I32x8 a, I32x8 b) { return {vaddq_s32(a.low, b.low), vaddq_s32(a.high, b.high)}; }
inline I32x8 to_integers(F32x8 v) { return {vcvtnq_s32_f32(v.low), vcvtnq_s32_f32(v.high)}; }
inline F32x8 to_floats(I32x8 v) { return {vcvtq_f32_s32(v.low), vcvtq_f32_s32(v.high)}; }

inline F32x8 power_of_two(I32x8 n) {
  const I32x8 exponents = n + splat_integer(127);
  return {vreinterpretq_f32_s32(vshlq_n_s32(exponents.low, 23)), vreinterpretq_f32_s32(vshlq_n_s32(exponents.high, 23))};
}

inline I16x16 load16(const int16_t* p) { return {vld1q_s16(p), vld1q_s16(p + 8)}; }

inline void store16(int16_t* p, I16x16 v) {
  vst1q_s16(p, v.low);
  vst1q_s16(p + 8, v.high);
}

inline void store16_aligned(int16_t* p, I16x16 v) { store16(p, v); }

inline I16x16 load_words(const uint8_t* p) {
  return {vreinterpretq_s16_u8(vld1q_u8(p)), vreinterpretq_s16_u8(vld1q_u8(p + 16))};
}

inline I16x16 load_bytes(const int8_t* p) {
  const int8x16_t bytes = vld1q_s8(p);
  return {vmovl_s8(vget_low_s8(bytes)), vmovl_high_s8(bytes)};
}

inline I16x16 splat_word(int16_t value) { return {vdupq_n_s16(value), vdupq_n_s16(value)}; }

inline I16x16 splat_pair(const int16_t* p) {
  int32_t bits;
  std::memcpy(&bits, p, 4);
  const int16x8_t pairs = vreinterpretq_s16_s32(vdupq_n_s32(bits));
  return {pairs, pairs};
}

inline I16x16 operator&(I16x16 a, I16x16 b) { return {vandq_s16(a.low, b.low), vandq_s16(a.high, b.high)}; }
inline I16x16 operator|(I16x16 a, I16x16 b) { return {vorrq_s16(a.low, b.low), vorrq_s16(a.high, b.high)}; }
inline I16x16 operator+(I16x16 a, I16x16 b) { return {vaddq_s16(a.low, b.low), vaddq_s16(a.high, b.high)}; }
inline I16x16 operator^(I16x16 a, I16x16 b) { return {veorq_s16(a.low, b.low), veorq_s16(a.high, b.high)}; }

inline I16x16 add_bytes(I16x16 v, int number) {
  const int8x16_t all = vdupq_n_s8(static_cast<int8_t>(number));
  const auto add = [&](int16x8_t half) { return vreinterpretq_s16_s8(vaddq_s8(vreinterpretq_s8_s16(half), all)); };
  return {add(v.low), add(v.high)};
}

// By operators, because the compiler then writes constant numbers of bits into the instructions.
inline I16x16 shift_left(I16x16 v, int bits) {
  const auto by = static_cast<uint16_t>(bits);
  return {vreinterpretq_s16_u16(vreinterpretq_u16_s16(v.low) << by), vreinterpretq_s16_u16(vreinterpretq_u16_s16(v.high) << by)};
}

inline I16x16 shift_right(I16x16 v, int bits) {
  const auto by = static_cast<uint16_t>(bits);
  return {vreinterpretq_s16_u16(vreinterpretq_u16_s16(v.low) >> by), vreinterpretq_s16_u16(vreinterpretq_u16_s16(v.high) >> by)};
}

inline I16x16 shift_right_signed(I16x16 v, int bits) {
  const auto by = static_cast<int16_t>(bits);
  return {v.low >> by, v.high >> by};
}

inline I32x8 pair_products(I16x16 a, I16x16 b) {
  const auto pairs = [](int16x8_t x, int16x8_t y) {
    return vpaddq_s32(vmull_s16(vget_low_s16(x), vget_low_s16(y)), vmull_high_s16(x, y));
  };
  return {pairs(a.low, b.low), pairs(a.high, b.high)};
}

inline I16x16 narrow(I32x8 a, I32x8 b) {
  return {vqmovn_high_s32(vqmovn_s32(a.low), a.high), vqmovn_high_s32(vqmovn_s32(b.low), b.high)};
}

inline U8x16 load16(const uint8_t* p) { return {vld1q_u8(p)}; }
inline void store16(uint8_t* p, U8x16 v) { vst1q_u8(p, v.v); }
inline U8x16 splat_byte(uint8_t value) { return {vdupq_n_u8(value)}; }
inline U8x16 operator-(U8x16 a, U8x16 b) { return {vsubq_u8(a.v, b.v)}; }
inline U8x16 low_nibbles(U8x16 v) { return {vandq_u8(v.v, vdupq_n_u8(15))}; }
inline U8x16 high_nibbles(U8x16 v) { return {vshrq_n_u8(v.v, 4)}; }
inline U8x16 pick(U8x16 v, U8x16 order) { return {vqtbl1q_u8(v.v, order.v)}; }

inline I16x16 pick(U8x16 v, I16x16 order) {
  return {vreinterpretq_s16_u8(vqtbl1q_u8(v.v, vreinterpretq_u8_s16(order.low))),
          vreinterpretq_s16_u8(vqtbl1q_u8(v.v, vreinterpretq_u8_s16(order.high)))};
}

inline U8x16 join_nibbles(U8x16 a, U8x16 b) {
  return {vorrq_u8(vuzp1q_u8(a.v, b.v), vshlq_n_u8(vuzp2q_u8(a.v, b.v), 4))};
}

inline void transpose_words(U8x16 (&v)[4]) {
  const uint32x4_t r0 = vreinterpretq_u32_u8(v[0].v), r1 = vreinterpretq_u32_u8(v[1].v);
  const uint32x4_t r2 = vreinterpretq_u32_u8(v[2].v), r3 = vreinterpretq_u32_u8(v[3].v);
  const uint64x2_t a = vreinterpretq_u64_u32(vzip1q_u32(r0, r1)), b = vreinterpretq_u64_u32(vzip1q_u32(r2, r3));
  const uint64x2_t c = vreinterpretq_u64_u32(vzip2q_u32(r0, r1)), d = vreinterpretq_u64_u32(vzip2q_u32(r2, r3));
  v[0].v = vreinterpretq_u8_u64(vzip1q_u64(a, b));
  v[1].v = vreinterpretq_u8_u64(vzip2q_u64(a, b));
  v[2].v = vreinterpretq_u8_u64(vzip1q_u64(c, d));
  v[3].v = vreinterpretq_u8_u64(vzip2q_u64(c, d));
}

inline uint16_t to_half(float value) {
  return vget_lane_u16(vreinterpret_u16_f16(vcvt_f16_f32(vdupq_n_f32(value))), 0);
}

inline float from_half(uint16_t half) { return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(half))), 0); }

constexpr bool BYTE_PRODUCTS = true;
constexpr bool PAIR_PRODUCTS = false;
// The largest number whose halves are signed bytes: 127 · 256 + 127.
constexpr float LARGEST_ACTIVATION = 32639.0f;

#ifdef __APPLE__
inline bool has_feature(const char* name) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}
inline bool has_dots() { return has_feature("hw.optional.arm.FEAT_DotProd"); }
inline bool has_blocks() { return has_feature("hw.optional.arm.FEAT_I8MM"); }
#else
// Linux: Documentation/arch/arm64/elf_hwcaps.rst.
inline bool has_dots() { return (getauxval(AT_HWCAP) & 1ul << 20) != 0; }
inline bool has_blocks() { return (getauxval(AT_HWCAP2) & 1ul << 13) != 0; }
#endif

inline bool can_multiply(Products how) {
  switch (how) {
    case Products::WORDS: return true;
    case Products::DOTS: return has_dots();
    case Products::BLOCKS: return has_blocks();
    case Products::PAIRS: return false;
  }
  return false;
}

inline U8x16 narrow(I16x16 v) { return {vreinterpretq_u8_s8(vmovn_high_s16(vmovn_s16(v.low), v.high))}; }

inline U8x16 split(const int16_t* numbers) {
  const int16x8_t eight = vld1q_s16(numbers);
  const int8x8_t high = vshrn_n_s16(vaddq_s16(eight, vdupq_n_s16(128)), 8);
  return {vreinterpretq_u8_s8(vcombine_s8(high, vmovn_s16(eight)))};
}

// Not every CPU has the next two instructions, so the compiler must not use them elsewhere. GCC's assembler can be told of them.
// Clang's cannot: it gets their bits, and finds the numbers of registers by symbols.
#ifdef __clang__
#define LLMWORKER_REGISTERS \
  ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n\t" \
  ".equ .Lnumber_v\\n, \\n\n\t.endr\n\t"
#define LLMWORKER_OPERANDS " | .Lnumber_%2 << 16 | .Lnumber_%1 << 5 | .Lnumber_%0"
#define LLMWORKER_SDOT LLMWORKER_REGISTERS ".inst 0x4f80e000 | (%3 & 1) << 21 | (%3 >> 1) << 11" LLMWORKER_OPERANDS
#define LLMWORKER_SMMLA LLMWORKER_REGISTERS ".inst 0x4e80a400" LLMWORKER_OPERANDS
#else
#define LLMWORKER_SDOT ".arch armv8.6-a\n\tsdot %0.4s, %1.16b, %2.4b[%3]"
#define LLMWORKER_SMMLA ".arch armv8.6-a\n\tsmmla %0.4s, %1.16b, %2.16b"
#endif

// Adds to lane i the products of bytes 4i to 4i + 3 with four of `columns`.
template <int FOUR>
inline void add_dots(int32x4_t& sums, int16x8_t rows, uint8x16_t columns) {
  asm inline(LLMWORKER_SDOT : "+w"(sums) : "w"(rows), "w"(columns), "i"(FOUR));
}

// Adds products of matrices [2, 8]: lane 2i + j is row i of `rows` times row j of `columns`.
inline void add_blocks(int32x4_t& sums, int32x4_t rows, uint8x16_t columns) {
  asm inline(LLMWORKER_SMMLA : "+w"(sums) : "w"(rows), "w"(columns));
}

inline int32x4_t join_halves(int32x4_t high, int32x4_t low) { return vaddq_s32(vshlq_n_s32(high, 8), low); }

template <>
struct ByteSums<Products::DOTS> {
  // Of four rows each, times high and low halves.
  int32x4_t first_high = vdupq_n_s32(0), first_low = first_high, next_high = first_high, next_low = first_high;

  void add(I16x16 first, I16x16 others, const uint8_t* columns) {
    const uint8x16_t halves = vld1q_u8(columns);
    add_dots<0>(first_high, first.low, halves);
    add_dots<0>(next_high, first.high, halves);
    add_dots<2>(first_low, first.low, halves);
    add_dots<2>(next_low, first.high, halves);
    add_dots<1>(first_high, others.low, halves);
    add_dots<1>(next_high, others.high, halves);
    add_dots<3>(first_low, others.low, halves);
    add_dots<3>(next_low, others.high, halves);
  }

  I32x8 total() const { return {join_halves(first_high, first_low), join_halves(next_high, next_low)}; }
};

template <>
struct WholeByteSums<Products::DOTS> {
  // Of four rows each.
  int32x4_t rows = vdupq_n_s32(0), next = rows;

  void add(I16x16 first, I16x16 others, const uint8_t* columns) {
    const uint8x8_t eight = vld1_u8(columns);
    const uint8x16_t twice = vcombine_u8(eight, eight);
    add_dots<0>(rows, first.low, twice);
    add_dots<0>(next, first.high, twice);
    add_dots<1>(rows, others.low, twice);
    add_dots<1>(next, others.high, twice);
  }

  I32x8 total() const { return {rows, next}; }
};

template <>
struct ByteSums<Products::BLOCKS> {
  // Of two rows each: times high and low halves, by turns.
  int32x4_t a = vdupq_n_s32(0), b = a, c = a, d = a;

  void add(I16x16 first, I16x16 others, const uint8_t* columns) {
    const uint8x16_t halves = vld1q_u8(columns);
    const int32x4_t low = vreinterpretq_s32_s16(first.low), other_low = vreinterpretq_s32_s16(others.low);
    const int32x4_t high = vreinterpretq_s32_s16(first.high), other_high = vreinterpretq_s32_s16(others.high);
    add_blocks(a, vzip1q_s32(low, other_low), halves);
    add_blocks(b, vzip2q_s32(low, other_low), halves);
    add_blocks(c, vzip1q_s32(high, other_high), halves);
    add_blocks(d, vzip2q_s32(high, other_high), halves);
  }

  I32x8 total() const {
    return {join_halves(vuzp1q_s32(a, b), vuzp2q_s32(a, b)), join_halves(vuzp1q_s32(c, d), vuzp2q_s32(c, d))};
  }
};

inline void compute_now(I32x8& a, I32x8& b) { asm volatile("" : "+w"(a.low), "+w"(a.high), "+w"(b.low), "+w"(b.high)); }

// `yield` does nothing on most of these CPUs. `isb` waits about as long as x86's `pause`.
inline void pause_in_loop() { asm volatile("isb" ::: "memory"); }

}  // namespace llmworker
