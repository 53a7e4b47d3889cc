// Weight matrices in the order that the products read them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "simd.h"

namespace llmworker {

// Rows that are multiplied side by side: a panel. Two vectors of eight.
constexpr int PANEL = 16;
// Columns that share a scale, in weights (but for Q6_K's 16) and in what they are multiplied with.
constexpr int BLOCK = 32;

// Quants of 4 or 8 bits with a float16 scale a block, and an offset where the format has one; or plain numbers.
enum class Format { Q4, Q8, Q8_OFFSET, Q8_HALF_BLOCKS, F32, F16, BF16 };

constexpr int quant_bytes(Format format) { return format == Format::Q4 ? BLOCK / 2 : BLOCK; }
constexpr bool has_offset(Format format) { return format == Format::Q4 || format == Format::Q8_OFFSET; }
constexpr int scales_a_block(Format format) { return format == Format::Q8_HALF_BLOCKS ? 2 : 1; }
constexpr bool is_quantised(Format format) {
  return format != Format::F32 && format != Format::F16 && format != Format::BF16;
}
constexpr size_t number_bytes(Format format) { return format == Format::F32 ? 4 : 2; }

// Bytes of a panel's block: quants, scales, offsets.
constexpr size_t block_bytes(Format format) {
  return static_cast<size_t>(PANEL) * (quant_bytes(format) + 2 * scales_a_block(format) + (has_offset(format) ? 2 : 0));
}

// Memory that is given out piece by piece and given back at once. In large pages where the system has them: a token reads all
// of it once, and thousands of small ones would take longer to come by than to fill.
class Memory {
 public:
  Memory() = default;
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // Zeros, at a multiple of 64 bytes.
  uint8_t* take(size_t bytes);

 private:
  struct Mapping {
    void* start;
    size_t bytes;
  };

  std::vector<Mapping> mappings_;
  uint8_t* next_ = nullptr;
  size_t left_ = 0;
};

// A matrix [rows, columns] in panels of 16 rows, the last one filled up with zeros. Of quants a panel is a sequence of
// blocks; in a block the rows take turns with 4 bytes each, which hold the next 8 (4 bits) or 4 (8 bits) columns, in the
// order in which shifts and masks bring up pairs of columns: see `unpack` in matmul.cpp. Of plain numbers a panel is
// [columns, 16].
class Matrix {
 public:
  Matrix(Format format, int rows, int columns, Memory& memory);

  Format format() const { return format_; }
  int rows() const { return rows_; }
  int columns() const { return columns_; }
  int panels() const { return (rows_ + PANEL - 1) / PANEL; }
  size_t panel_bytes() const;
  size_t bytes() const { return panel_bytes() * panels(); }
  const uint8_t* panel(int i) const { return data_ + panel_bytes() * i; }

  // Puts rows in place, `first` and those after it, from blocks as they lie in a GGUF file of type 2 (Q4_0), 3 (Q4_1) or
  // 8 (Q8_0); whether all scales and offsets are finite.
  bool put_gguf(const uint8_t* source, int gguf_type, int first, int count);

  // Puts rows in place from quants [count, columns], a byte each, with scales [count, columns / 32 or 16] and offsets
  // likewise: an element is quant · scale + offset. Q8_HALF_BLOCKS: (quant - 32) · scale, which is Q6_K's.
  void put_quants(const uint8_t* quants, const float* scales, const float* offsets, int first, int count);

  // Puts rows [count, columns] of the format's plain numbers in place.
  void put_plain(const void* source, int first, int count);

  // A row's numbers [columns], for any format but Q8_HALF_BLOCKS.
  void read(int row, float* out) const;

 private:
  template <typename Lanes>
  void put(int first, int count, Lanes&& lanes);

  Format format_;
  int rows_;
  int columns_;
  uint8_t* data_;
};

}  // namespace llmworker
