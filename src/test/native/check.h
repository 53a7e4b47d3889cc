// What the kernel tests share: checks, and plain loops in double precision that the kernels are compared with.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "matrix.h"
#include "threads.h"

inline int failures = 0;

// Counts and prints a failed check. Prints only the first ones.
inline void check(bool holds, const std::string& what) {
  if (holds) return;
  if (++failures <= 20) std::printf("FAILED: %s\n", what.c_str());
}

// Checks that `action` throws an Expected whose message contains `part`.
template <typename Expected, typename Action>
void check_throws(const std::string& part, Action&& action) {
  try {
    action();
  } catch (const Expected& e) {
    check(std::string(e.what()).find(part) != std::string::npos, "the message '" + std::string(e.what()) + "' lacks '" + part + "'");
    return;
  }
  check(false, "nothing was thrown with '" + part + "'");
}

// Not every compiler for ARM has the other name in C++.
#ifdef __aarch64__
using Float16 = __fp16;
#else
using Float16 = _Float16;
#endif

inline float half_to_float(uint16_t bits) {
  Float16 value;
  std::memcpy(&value, &bits, 2);
  return static_cast<float>(value);
}

inline uint16_t float_to_half(float value) {
  const Float16 half = static_cast<Float16>(value);
  uint16_t bits;
  std::memcpy(&bits, &half, 2);
  return bits;
}

inline float bfloat_to_float(uint16_t bits) {
  const uint32_t upper = static_cast<uint32_t>(bits) << 16;
  float value;
  std::memcpy(&value, &upper, 4);
  return value;
}

// Rounds to nearest, ties to even.
inline uint16_t float_to_bfloat(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

using Random = std::mt19937;

inline std::vector<float> normal(Random& random, size_t count, float scale = 1.0f) {
  std::normal_distribution<float> distribution(0.0f, scale);
  std::vector<float> values(count);
  for (float& value : values) value = distribution(random);
  return values;
}

template <typename Number>
std::span<const uint8_t> bytes_of(const std::vector<Number>& numbers) {
  return {reinterpret_cast<const uint8_t*>(numbers.data()), numbers.size() * sizeof(Number)};
}

inline int below(Random& random, int limit) { return static_cast<int>(random() % static_cast<uint32_t>(limit)); }

constexpr llmworker::Format ALL_FORMATS[] = {
    llmworker::Format::Q4,  llmworker::Format::Q8,  llmworker::Format::Q5, llmworker::Format::Q4_CENTRED,
    llmworker::Format::F32, llmworker::Format::F16, llmworker::Format::BF16,      llmworker::Format::Q4_HALF_BLOCKS,
    llmworker::Format::CODES, llmworker::Format::CODES_HALF_BLOCKS,
    llmworker::Format::Q4_K,  llmworker::Format::Q6_K, llmworker::Format::Q5_K, llmworker::Format::Q5_CENTRED};

// The next number of columns that a matrix of this format can have.
constexpr int fitting_columns(llmworker::Format format, int columns) {
  return has_steps(format) ? (columns + llmworker::GROUP - 1) / llmworker::GROUP * llmworker::GROUP : columns;
}

// Sixteen numbers for codes, the extremes among them.
constexpr int8_t CODES[llmworker::TABLE] = {-128, -104, 127, -65, 0, -35, 22, -10, 1, 13, 25, 38, 53, -1, 89, 113};

inline std::span<const int8_t> table_of(llmworker::Format format) {
  return has_codes(format) ? CODES : std::span<const int8_t>();
}

inline llmworker::Threads ONE_THREAD(1);

// A matrix and its numbers [rows, columns] by plain loops.
struct Weighed {
  llmworker::Matrix matrix;
  std::vector<float> numbers;
};

// Fills a matrix with random weights, a few rows at a time.
// coarse: as of Matrix
Weighed random_matrix(llmworker::Format format, int rows, int columns, llmworker::Memory& memory, Random& random,
                      bool coarse = false);

void test_simd();
void test_matrices();
void test_blocks();
void test_products();
void test_attention();
void test_bytes_cache();
void test_bytes_not_finite();
void test_decoder();
void test_texts();
void test_ring();
void test_states();
void test_threads();
void test_damaged_models();
void test_copies();
void test_errors();
void test_amx();
