// Weight matrices in the order that the products read them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats.h"
#include "threads.h"
#include "wide.h"

namespace llmworker {

// A panel is the rows that are multiplied side by side: two vectors.
constexpr int PANEL = 2 * LANES;
// Columns that share a scale, in weights and in activations. In weights of half blocks 16 columns do.
constexpr int BLOCK = 32;
// Numbers in the table of a matrix of codes.
constexpr int TABLE = 16;

constexpr bool has_codes(Format format) { return format == Format::CODES || format == Format::CODES_HALF_BLOCKS; }
constexpr bool has_nibbles(Format format) {
  return format == Format::Q4 || format == Format::Q4_CENTRED || format == Format::Q4_HALF_BLOCKS || has_codes(format);
}
constexpr int quant_bytes(Format format) { return has_nibbles(format) ? BLOCK / 2 : BLOCK; }
constexpr bool has_offset(Format format) {
  return format == Format::Q4 || format == Format::Q8_OFFSET || format == Format::Q4_HALF_BLOCKS;
}
// What quants are made smaller by in products. Instead of an offset of each row, an integer of the activations does it.
constexpr int centre(Format format) { return format == Format::Q4_CENTRED ? 8 : 0; }
constexpr int scales_a_block(Format format) {
  return format == Format::Q8_HALF_BLOCKS || format == Format::Q4_HALF_BLOCKS || format == Format::CODES_HALF_BLOCKS ? 2 : 1;
}
// Scales and offsets of a row's block.
constexpr int heads_a_block(Format format) { return scales_a_block(format) * (has_offset(format) ? 2 : 1); }
constexpr bool is_quantised(Format format) {
  return format != Format::F32 && format != Format::F16 && format != Format::BF16;
}
constexpr size_t number_bytes(Format format) { return format == Format::F32 ? 4 : 2; }

// The columns of an 8-column word of 4-bit quants, from its lowest bits on. A mask of the lowest 4 bits of each half of the
// word extracts columns 0 and 1; after a shift by 4 it extracts columns 2 and 3, and so on.
constexpr int NIBBLE_COLUMNS[8] = {0, 2, 4, 6, 1, 3, 5, 7};
// The same for the 4-column word of bytes.
constexpr int BYTE_COLUMNS[4] = {0, 2, 1, 3};

// How the activations of a product are rounded.
enum class Bits { SIXTEEN, EIGHT };

// The middle of quants of at most 6 bits; 0: the format has others. It is subtracted so that they have both signs, unless the format has
// offsets: sums of a block's products with bytes fit into 16 bits with it (8 · 32 · 127 = 32,512), and without (16 · 15 · 127 = 30,480).
constexpr int middle(Format format) {
  return format == Format::Q8_HALF_BLOCKS ? 32 : has_nibbles(format) && !has_codes(format) ? 8 : 0;
}
// Whether products with activations of 8 bits are faster than with 16: if sums of a block's products fit into 16 bits.
constexpr bool gains_from_bytes(Format format) { return middle(format) != 0; }

// Bytes of a panel's block: quants, scales, offsets.
constexpr size_t block_bytes(Format format) {
  return static_cast<size_t>(PANEL) * (quant_bytes(format) + 2 * heads_a_block(format));
}

// An arena: memory is given out piece by piece and freed at once. It uses large pages if the system has them. A token reads all
// of it once, and thousands of small pages would take longer to map than to fill.
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

// A matrix [rows, columns] in panels of PANEL rows. Zeros fill up the last panel.
//
// A panel of quants is a sequence of blocks. In a block the rows take turns with words of 4 bytes, which hold the next 8 columns
// (4 bits) or 4 columns (8 bits). Their order is the one in which shifts and masks extract pairs of columns: see `unpack` in
// matmul.cpp. A panel of plain numbers is [columns, PANEL].
class Matrix {
 public:
  // columns: a multiple of BLOCK if the format has blocks
  // table: TABLE numbers if it has codes, otherwise none
  // coarse: whether activations may be rounded to 8 bits
  Matrix(Format format, int rows, int columns, Memory& memory, std::span<const int8_t> table = {}, bool coarse = false);

  Format format() const { return format_; }
  // How its activations are rounded, however many rows of them there are.
  Bits bits() const { return coarse_ && gains_from_bytes(format_) ? Bits::EIGHT : Bits::SIXTEEN; }
  int rows() const { return rows_; }
  int columns() const { return columns_; }
  // What the codes stand for.
  const std::array<int8_t, TABLE>& table() const { return table_; }
  int panels() const { return rows_ / PANEL + (rows_ % PANEL > 0 ? 1 : 0); }
  size_t panel_bytes() const;
  size_t bytes() const { return panel_bytes() * panels(); }
  const uint8_t* panel(int i) const { return data_ + panel_bytes() * i; }

  // The next three store `count` rows from row `first` on. They throw if the matrix has no such rows, or if a source has another
  // size.

  // From blocks in the layout of a GGUF file, of a type that has this matrix's format. Returns whether all scales and offsets are
  // finite as they are held.
  //
  // grids: those of the IQ types, GRIDS_BYTES
  bool put_gguf(std::span<const uint8_t> source, GgufType type, std::span<const uint8_t> grids, int first, int count,
                Threads& threads);

  // From quants [count, columns], a byte each, with scales and offsets [count, columns / 32 or 16]. An element is
  // quant · scale + offset; in Q8_HALF_BLOCKS, which is Q6_K's, it is (quant - 32) · scale; in Q4_CENTRED (quant - 8) · scale. Of codes it is the table's number
  // times the scale. A format without offsets ignores them. Returns whether all scales and offsets are finite as they are held.
  bool put_quants(std::span<const uint8_t> quants, std::span<const float> scales, std::span<const float> offsets, int first,
                  int count);

  // From rows [count, columns] of the format's plain numbers.
  void put_plain(std::span<const uint8_t> source, int first, int count, Threads& threads);

  // Reads the numbers [columns] of a row. Throws for half blocks, which no embedding is held in.
  void read(int row, float* out) const;

 private:
  void check_rows(int first, int count) const;
  void read_plain(const uint8_t* panel, int lane, float* out) const;
  void read_quants(const uint8_t* panel, int lane, float* out) const;
  template <typename Piece>
  void in_panels(int first, int count, Threads& threads, Piece&& piece);
  template <typename Lanes>
  void put(int first, int count, Lanes&& lanes);

  Format format_;
  int rows_;
  int columns_;
  bool coarse_;
  std::array<int8_t, TABLE> table_{};
  uint8_t* data_;
};

}  // namespace llmworker
