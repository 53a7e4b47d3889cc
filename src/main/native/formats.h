// The numbers that native_decoder.py passes to the operators. NativeDecoderTest runs every weight format through both sides.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace llmworker {

// How a matrix is held: quants of 4 or 8 bits with a float16 scale for each block, and an offset if the format has one; or
// plain numbers.
enum class Format { Q4 = 0, Q8 = 1, Q8_OFFSET = 2, Q8_HALF_BLOCKS = 3, F32 = 4, F16 = 5, BF16 = 6 };

// What the KV cache holds.
enum class CacheType { F32 = 0, F16 = 1, BF16 = 2 };

// The types of a GGUF file whose blocks `put_blocks` takes as they are.
enum class GgufType { Q4_0 = 2, Q4_1 = 3, Q8_0 = 8 };

// Which vectors `put_vector` adds to: see Decoder.
enum class VectorKind { NORM = 0, BIAS = 1, HEAD_NORM = 2 };

// The enumerator with this number.
template <typename Enum>
Enum enumerator(int64_t number);

[[noreturn]] inline void refuse(const char* what, int64_t number) {
  throw std::invalid_argument("no " + std::string(what) + " has the number " + std::to_string(number));
}

template <>
inline Format enumerator<Format>(int64_t number) {
  if (number < 0 || number > static_cast<int>(Format::BF16)) refuse("weight format", number);
  return static_cast<Format>(number);
}

template <>
inline CacheType enumerator<CacheType>(int64_t number) {
  if (number < 0 || number > static_cast<int>(CacheType::BF16)) refuse("cache type", number);
  return static_cast<CacheType>(number);
}

template <>
inline GgufType enumerator<GgufType>(int64_t number) {
  const auto type = static_cast<GgufType>(number);
  if (type != GgufType::Q4_0 && type != GgufType::Q4_1 && type != GgufType::Q8_0) refuse("GGUF type of blocks", number);
  return type;
}

template <>
inline VectorKind enumerator<VectorKind>(int64_t number) {
  if (number < 0 || number > static_cast<int>(VectorKind::HEAD_NORM)) refuse("kind of vector", number);
  return static_cast<VectorKind>(number);
}

}  // namespace llmworker
