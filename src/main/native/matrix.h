// Weight matrices in the order that the products read them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats.h"
#include "memory.h"
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
// Bits of a quant beside its lowest four. They are apart, in a word behind the others of the block or half block.
constexpr int high_bits(Format format) {
  if (format == Format::Q6_K) return 2;
  return format == Format::Q5 || format == Format::Q5_CENTRED || format == Format::Q5_K ? 1 : 0;
}
// Whether words have 4 bits of each of 8 columns.
constexpr bool has_nibbles(Format format) {
  return format == Format::Q4 || format == Format::Q4_CENTRED || format == Format::Q4_HALF_BLOCKS || format == Format::Q4_K ||
         high_bits(format) > 0 || has_codes(format);
}
constexpr int quant_bytes(Format format) { return has_nibbles(format) ? BLOCK * (4 + high_bits(format)) / 8 : BLOCK; }
constexpr bool has_offset(Format format) {
  return format == Format::Q4 || format == Format::Q4_HALF_BLOCKS || format == Format::Q4_K || format == Format::Q5 ||
         format == Format::Q5_K;
}
// Whether scales and offsets are steps: integers of a byte, times the units of a group of columns, which are float16 numbers.
constexpr bool has_steps(Format format) { return format == Format::Q4_K || format == Format::Q5_K || format == Format::Q6_K; }
// Columns that share units.
constexpr int GROUP = 256;
constexpr int scales_a_block(Format format) {
  return format == Format::Q6_K || format == Format::Q4_HALF_BLOCKS || format == Format::CODES_HALF_BLOCKS ? 2 : 1;
}
// Scales and offsets of a row's block.
constexpr int heads_a_block(Format format) { return scales_a_block(format) * (has_offset(format) ? 2 : 1); }
constexpr int head_bytes(Format format) { return has_steps(format) ? 1 : 2; }
constexpr bool is_quantised(Format format) {
  return format != Format::F32 && format != Format::F16 && format != Format::BF16;
}
constexpr size_t number_bytes(Format format) { return format == Format::F32 ? 4 : 2; }

// The columns of an 8-column word of 4-bit quants, from its lowest bits on. A mask of the lowest 4 bits of each half of the
// word extracts columns 0 and 1; after a shift by 4 it extracts columns 2 and 3, and so on.
constexpr int NIBBLE_COLUMNS[8] = {0, 2, 4, 6, 1, 3, 5, 7};
// The same for the 4-column word of bytes.
constexpr int BYTE_COLUMNS[4] = {0, 2, 1, 3};
// The columns of a half block in the word of high bits, four in each byte, from its lowest bits on. If a word has the bits of a whole
// block, those of the other 16 columns follow in the same order. So the same shift finds the high bits of the columns that the bytes of
// nibbles have.
constexpr int HIGH_COLUMNS[16] = {0, 2, 8, 10, 4, 6, 12, 14, 1, 3, 9, 11, 5, 7, 13, 15};

// How the activations of a product are rounded.
enum class Bits { SIXTEEN, EIGHT };

// The middle of quants of at most 6 bits; 0: the format has others.
constexpr int middle(Format format) { return has_nibbles(format) && !has_codes(format) ? 8 << high_bits(format) : 0; }
// What products subtract from quants, so that they have both signs. Sums of a block's products with bytes fit into 16 bits then: they
// are at most 16 · 16 · 127 = 32,512 with 5 bits, and 8 · 32 · 127 with 6. Quants of 4 bits with an offset stay as they are, because
// their sums fit: 16 · 15 · 127 = 30,480. If a quant of 5 bits has an offset, products add to the offset what they have subtracted.
constexpr int subtracted(Format format) {
  return format == Format::Q4_CENTRED || high_bits(format) > 0 ? middle(format) : 0;
}
// Whether products with activations of 8 bits are faster than with 16: if sums of a block's products fit into 16 bits.
constexpr bool gains_from_bytes(Format format) { return middle(format) != 0; }

// Bytes of a panel's block: quants, scales, offsets.
constexpr size_t block_bytes(Format format) {
  return static_cast<size_t>(PANEL) * (quant_bytes(format) + head_bytes(format) * heads_a_block(format));
}
// Bytes of the units of a panel and a group of columns: those of scales and, if there are any, of offsets.
constexpr size_t unit_bytes(Format format) { return has_steps(format) ? size_t{2} * PANEL * (has_offset(format) ? 2 : 1) : 0; }

// 32 elements of a row. An element is quant · scale + offset. In formats without offsets it is quant · scale in Q8, and
// (quant - middle) · scale in others. Of codes it is the table's number times the scale.
struct Quants {
  static constexpr int COUNT = BLOCK;

  uint8_t quants[COUNT];  // or codes, in the order of the columns
  float scales[2];        // one for all elements, or one for each 16 of them
  float offsets[2];       // likewise, of formats with offsets
  // The next two are of formats with steps, of scales and of offsets. A scale is its step times the unit, and an offset likewise.
  int8_t steps[2][2];
  uint16_t units[2];  // as bits of float16 numbers
};

// A matrix [rows, columns] in panels of PANEL rows. Zeros fill up the last panel.
//
// A panel of quants is a sequence of blocks, and then of the units of its groups. In a block the rows take turns with words of 4
// bytes, which hold the next 8 columns (4 bits) or 4 columns (8 bits), and then with a word of high bits if there are some. Their order
// is the one in which shifts and masks extract pairs of columns: see `unpack` in matmul.cpp. A panel of plain numbers is
// [columns, PANEL].
class Matrix {
 public:
  // columns: a multiple of BLOCK if the format has blocks, and of GROUP if it has groups
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
  // Bytes of a panel before its units.
  size_t blocks_bytes() const { return block_bytes(format_) * (columns_ / BLOCK); }
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

  // From blocks [count, columns / 32]. Returns whether all scales and offsets are finite as they are held.
  bool put_quants(std::span<const Quants> blocks, int first, int count);

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
