// The numbers that native_decoder.py passes to the operators. NativeDecoderTest runs every weight format through both sides.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace llmworker {

// How a matrix is held: quants of 4, 5 or 8 bits with a float16 scale for each block or half block, and an offset if the format has
// one; codes of 4 bits, which are places in a table of the matrix, likewise with scales; or plain numbers. Q4_K, Q5_K and Q6_K have the
// quants of the types of a file with these names. Their scales and offsets are bytes, and float16 numbers for 256 columns.
enum class Format {
  Q4 = 0,
  Q8 = 1,
  Q5 = 2,
  Q6_K = 3,
  F32 = 4,
  F16 = 5,
  BF16 = 6,
  Q4_HALF_BLOCKS = 7,
  CODES = 8,
  CODES_HALF_BLOCKS = 9,
  Q4_CENTRED = 10,
  Q4_K = 11,
  Q5_K = 12,
  Q5_CENTRED = 13,
};

// What the KV cache holds. Q8: bytes, with a float16 scale for each 32 of them.
enum class CacheType { F32 = 0, F16 = 1, BF16 = 2, Q8 = 3 };

// The types of a GGUF file that have blocks.
enum class GgufType {
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q2_K = 10,
  Q3_K = 11,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  IQ2_XXS = 16,
  IQ2_XS = 17,
  IQ3_XXS = 18,
  IQ1_S = 19,
  IQ4_NL = 20,
  IQ3_S = 21,
  IQ2_S = 22,
  IQ4_XS = 23,
  IQ1_M = 29,
  TQ1_0 = 34,
  TQ2_0 = 35,
  MXFP4 = 39,
};

// The vectors of a layer, [hidden] unless said otherwise, and those of none.
enum class VectorRole {
  ATTENTION_NORM = 0,
  ATTENTION_POST_NORM = 1,
  FEED_FORWARD_NORM = 2,
  FEED_FORWARD_POST_NORM = 3,
  QKV_BIAS = 4,               // [(heads + 2 · kv_heads) · dim]
  HEAD_NORMS = 5,             // [(heads + kv_heads) · dim], or with those of values [(heads + 2 · kv_heads) · dim]
  SINKS = 6,                  // [heads]
  ATTENTION_OUTPUT_BIAS = 7,
  ROUTER_BIAS = 8,            // [experts]
  GATE_UP_BIAS = 9,           // [2 · width], of one expert after the other
  DOWN_BIAS = 10,             // [hidden], likewise
  LAYER_SCALE = 11,           // [1]
  INPUT_POST_NORM = 12,
  ROUTER_NORM = 13,
  EXPERT_SCALES = 14,         // [experts]
  EXPERTS_NORM = 15,
  EXPERTS_POST_NORM = 16,
  SHARED_GATE = 17,
  SHARED_POST_NORM = 18,
  CONVOLUTION = 19,           // [kernel, channels], the oldest token's first
  DECAY = 20,                 // [heads]
  DECAY_BIAS = 21,            // [heads]
  READ_WEIGHTS = 22,          // [dim], of the norm of what a delta net reads
  OUTPUT_NORM = 23,
  INPUT_NORM = 24,            // [layer_input]; of no layer, too
};

// The matrices of a layer, the one that makes its inputs, and the one that makes logits.
enum class MatrixRole {
  QKV = 0,
  ATTENTION_OUTPUT = 1,
  ROUTER = 2,
  GATE_UP = 3,
  DOWN = 4,
  SHARED_GATE_UP = 5,
  SHARED_DOWN = 6,
  INPUT_GATE = 7,
  INPUT_PROJECTION = 8,
  INPUTS = 9,
  HEAD = 10,
};

// RMS norms of queries and keys: none, one of each head, or one of all heads together.
enum class HeadNorm { NONE = 0, EACH = 1, WHOLE = 2 };

// What the gate g does to the values u.
enum class Activation {
  SILU = 0,     // u · g · sigmoid(g)
  GELU = 1,     // u · gelu(g), with the approximation by tanh
  CLAMPED = 2,  // (u + 1) · g · sigmoid(1.702 · g), with g at most 7 and u from -7 to 7
};

// The enumerator with this number.
template <typename Enum>
Enum enumerator(int64_t number);

[[noreturn]] inline void refuse(const char* what, int64_t number) {
  throw std::invalid_argument("no " + std::string(what) + " has the number " + std::to_string(number));
}

template <typename Enum>
Enum up_to(Enum last, const char* what, int64_t number) {
  if (number < 0 || number > static_cast<int>(last)) refuse(what, number);
  return static_cast<Enum>(number);
}

template <>
inline Format enumerator<Format>(int64_t number) {
  return up_to(Format::Q5_CENTRED, "weight format", number);
}

template <>
inline CacheType enumerator<CacheType>(int64_t number) {
  return up_to(CacheType::Q8, "cache type", number);
}

template <>
inline VectorRole enumerator<VectorRole>(int64_t number) {
  return up_to(VectorRole::INPUT_NORM, "role of a vector", number);
}

template <>
inline MatrixRole enumerator<MatrixRole>(int64_t number) {
  return up_to(MatrixRole::HEAD, "role of a matrix", number);
}

template <>
inline HeadNorm enumerator<HeadNorm>(int64_t number) {
  return up_to(HeadNorm::WHOLE, "norm of heads", number);
}

template <>
inline Activation enumerator<Activation>(int64_t number) {
  return up_to(Activation::CLAMPED, "activation", number);
}

template <>
inline GgufType enumerator<GgufType>(int64_t number) {
  const auto type = static_cast<GgufType>(number);
  if (number != static_cast<int>(type)) refuse("GGUF type of blocks", number);
  switch (type) {
    case GgufType::Q4_0:
    case GgufType::Q4_1:
    case GgufType::Q5_0:
    case GgufType::Q5_1:
    case GgufType::Q8_0:
    case GgufType::Q2_K:
    case GgufType::Q3_K:
    case GgufType::Q4_K:
    case GgufType::Q5_K:
    case GgufType::Q6_K:
    case GgufType::IQ2_XXS:
    case GgufType::IQ2_XS:
    case GgufType::IQ3_XXS:
    case GgufType::IQ1_S:
    case GgufType::IQ4_NL:
    case GgufType::IQ3_S:
    case GgufType::IQ2_S:
    case GgufType::IQ4_XS:
    case GgufType::IQ1_M:
    case GgufType::TQ1_0:
    case GgufType::TQ2_0:
    case GgufType::MXFP4: return type;
  }
  refuse("GGUF type of blocks", number);
}

}  // namespace llmworker
