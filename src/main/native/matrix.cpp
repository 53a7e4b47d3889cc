#include "matrix.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <string>

#include "gguf_blocks.h"
#include "simd.h"

namespace llmworker {

namespace {

template <typename Number>
Number at(const uint8_t* p) {
  Number value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

bool is_finite(uint16_t half) { return (half & 0x7C00) != 0x7C00; }

// A block of one row as it is stored: its words, then its scales, then its offsets, as float16 numbers or steps. units: of its group
struct Lane {
  U8x16 words[2];
  uint16_t heads[4];
  uint16_t units[2];
};

// The four words of 4-bit quants, a byte each, of columns 0 to 15 and of the others.
U8x16 nibble_words(U8x16 first, U8x16 others) {
  static constexpr uint8_t ORDER[16] = {0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15};
  const U8x16 order = load16(ORDER);
  return join_nibbles(pick(first, order), pick(others, order));
}

// Joins the high bits of 16 columns: byte k of the result has those of four columns. spread: a sum of powers of two; the products of a
// word's four bytes with them put the bits side by side, in the product's highest byte
uint32_t join_high_bits(U8x16 quants, uint32_t spread) {
  static constexpr std::array<uint8_t, 16> ORDER = [] {
    std::array<uint8_t, 16> order{};
    for (int i = 0; i < 16; i++) order[i] = static_cast<uint8_t>(HIGH_COLUMNS[i]);
    return order;
  }();
  uint32_t bytes[4], joined = 0;
  store16(reinterpret_cast<uint8_t*>(bytes), pick(high_nibbles(quants), load16(ORDER.data())));
  for (int k = 0; k < 4; k++) joined |= (bytes[k] * spread >> 24) << (8 * k);
  return joined;
}

// The words of quants with high bits.
void put_high_bits(Format format, U8x16 first, U8x16 others, U8x16 (&words)[2]) {
  constexpr uint32_t ONE_BIT = 1 << 24 | 1 << 17 | 1 << 10 | 1 << 3, TWO_BITS = 1 << 24 | 1 << 18 | 1 << 12 | 1 << 6;
  uint32_t low[4];
  store16(reinterpret_cast<uint8_t*>(low), nibble_words(low_nibbles(first), low_nibbles(others)));
  uint32_t all[8] = {low[0], low[1], low[2], low[3]};
  if (scales_a_block(format) == 1) {
    all[4] = join_high_bits(first, ONE_BIT) | join_high_bits(others, ONE_BIT) << 4;
  } else {
    all[2] = join_high_bits(first, TWO_BITS);
    all[3] = low[2];
    all[4] = low[3];
    all[5] = join_high_bits(others, TWO_BITS);
  }
  for (const int i : {0, 1}) words[i] = load16(reinterpret_cast<const uint8_t*>(all + 4 * i));
}

// Four words of the next 16 columns.
U8x16 byte_words(U8x16 quants) {
  static constexpr uint8_t ORDER[16] = {0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15};
  return pick(quants, load16(ORDER));
}

// Quants in the form in which a block is stored. Clears `finite` if a scale or offset is not finite as it is held.
Lane lane_of(Format format, const Quants& from, bool& finite) {
  const U8x16 low = load16(from.quants), high = load16(from.quants + 16);
  Lane lane{};
  if (high_bits(format) > 0) {
    put_high_bits(format, low, high, lane.words);
  } else if (has_nibbles(format)) {
    lane.words[0] = nibble_words(low, high);
  } else {
    lane.words[0] = byte_words(low);
    lane.words[1] = byte_words(high);
  }
  const int scales = scales_a_block(format), kinds = has_offset(format) ? 2 : 1;
  for (int kind = 0; kind < kinds; kind++) {
    const float* const numbers = kind == 0 ? from.scales : from.offsets;
    for (int i = 0; i < scales; i++) {
      uint16_t& head = lane.heads[scales * kind + i];
      head = has_steps(format) ? static_cast<uint8_t>(from.steps[kind][i]) : to_half(numbers[i]);
      if (!has_steps(format)) finite &= is_finite(head);
    }
    lane.units[kind] = from.units[kind];
    if (has_steps(format)) finite &= is_finite(lane.units[kind]);
  }
  return lane;
}

// `count` words from number 4 · which on, of four rows: out[word][row], a panel's rows apart.
void store_words(const Lane* rows, int which, int count, uint8_t* out) {
  U8x16 words[4] = {rows[0].words[which], rows[1].words[which], rows[2].words[which], rows[3].words[which]};
  transpose_words(words);
  for (int i = 0; i < count; i++) store16(out + 4 * PANEL * i, words[i]);
}

// Of n rows, the first of which is number `at` of its panel.
void store_heads(Format format, const Lane* rows, int at, int n, uint8_t* out) {
  const int bytes = head_bytes(format);
  for (int head = 0; head < heads_a_block(format); head++) {
    for (int i = 0; i < n; i++) std::memcpy(out + bytes * (PANEL * head + at + i), &rows[i].heads[head], bytes);
  }
}

// The quants or codes of a row's whole block. words: the row's first one
void unpack_row(Format format, const uint8_t* words, int (&quants)[BLOCK]) {
  const auto word = [&](int which) { return at<uint32_t>(words + 4 * PANEL * which); };
  for (int i = 0; i < BLOCK; i++) {
    if (has_nibbles(format)) {
      quants[8 * (i / 8) + NIBBLE_COLUMNS[i % 8]] = static_cast<int>(word(i / 8) >> (4 * (i % 8)) & 15);
    } else {
      quants[4 * (i / 4) + BYTE_COLUMNS[i % 4]] = static_cast<int8_t>(word(i / 4) >> (8 * (i % 4)));
    }
  }
  if (high_bits(format) == 0) return;
  // Byte k of the word has a bit of each column, first those of the first 16 columns.
  const uint32_t high = word(4);
  for (int i = 0; i < BLOCK; i++) {
    const int half = i / 16, in_half = i % 16;
    quants[16 * half + HIGH_COLUMNS[in_half]] += static_cast<int>(high >> (8 * (in_half / 4) + 4 * half + in_half % 4) & 1) << 4;
  }
}

// More than any machine has, and far below where sizes overflow.
constexpr double MOST_BYTES = size_t{1} << 47;

}  // namespace

Matrix::Matrix(Format format, int rows, int columns, Memory& memory, std::span<const int8_t> table, bool coarse)
    : format_(format), rows_(rows), columns_(columns), coarse_(coarse) {
  check_size("numbers of a table", table.size(), has_codes(format) ? TABLE : 0);
  std::copy(table.begin(), table.end(), table_.begin());
  const int least = has_steps(format) ? GROUP : is_quantised(format) ? BLOCK : 1;
  if (rows < 0 || columns < 0 || columns % least != 0) {
    throw std::invalid_argument("a matrix of " + std::to_string(rows) + " rows and " + std::to_string(columns) +
                                " columns does not divide into blocks of " + std::to_string(least));
  }
  const double needed = static_cast<double>(panel_bytes()) * panels();
  if (needed > MOST_BYTES) throw OutOfMemory("weights", needed);
  data_ = memory.take(bytes());
}

void Matrix::check_rows(int first, int count) const {
  if (first < 0 || count < 0 || count > rows_ || first > rows_ - count) {
    throw std::out_of_range(std::to_string(count) + " rows from row " + std::to_string(first) + " on are outside a matrix of " +
                            std::to_string(rows_) + " rows");
  }
}

size_t Matrix::panel_bytes() const {
  if (is_quantised(format_)) return blocks_bytes() + unit_bytes(format_) * (columns_ / GROUP);
  return number_bytes(format_) * PANEL * columns_;
}

// Calls lanes(i, b) for each block b of the rows from `first` on, and stores the `Lane`. Whole panels are stored at once if
// possible, because the writes are then contiguous.
template <typename Lanes>
void Matrix::put(int first, int count, Lanes&& lanes) {
  check_rows(first, count);
  const int blocks = columns_ / BLOCK, words = quant_bytes(format_) / 4;
  Lane lane[PANEL];
  for (int row = first, n; row < first + count; row += n) {
    const int at = row % PANEL;
    n = std::min(PANEL - at, first + count - row);
    uint8_t* out = data_ + panel_bytes() * (row / PANEL);
    uint8_t* units = out + blocks_bytes();
    for (int b = 0; b < blocks; b++, out += block_bytes(format_)) {
      for (int i = 0; i < n; i++) lane[i] = lanes(row - first + i, b);
      for (int word = 0; word < words; word += 4) {
        uint8_t* const to = out + 4 * PANEL * word;
        const int some = std::min(4, words - word);
        if (n == PANEL) {
          for (int i = 0; i < PANEL; i += 4) store_words(lane + i, word / 4, some, to + 4 * i);
          continue;
        }
        for (int i = 0; i < n; i++) {
          uint32_t each[4];
          std::memcpy(each, &lane[i].words[word / 4], 16);
          for (int j = 0; j < some; j++) std::memcpy(to + 4 * (PANEL * j + at + i), each + j, 4);
        }
      }
      store_heads(format_, lane, at, n, out + PANEL * quant_bytes(format_));
      if (has_steps(format_) && b % (GROUP / BLOCK) == 0) {
        for (int i = 0; i < n; i++) std::memcpy(units + 2 * (at + i), &lane[i].units[0], 2);
        if (has_offset(format_)) {
          for (int i = 0; i < n; i++) std::memcpy(units + 2 * (PANEL + at + i), &lane[i].units[1], 2);
        }
        units += unit_bytes(format_);
      }
    }
  }
}

// Calls piece(start, n) for the rows from `first` on, on all threads. No two pieces share a panel.
template <typename Piece>
void Matrix::in_panels(int first, int count, Threads& threads, Piece&& piece) {
  const int begin = first / PANEL, end = (first + count + PANEL - 1) / PANEL;
  threads.run_together(end - begin, [&](int i) {
    const int start = std::max(first, (begin + i) * PANEL), stop = std::min(first + count, (begin + i + 1) * PANEL);
    if (stop > start) piece(start, stop - start);
  });
}

bool Matrix::put_gguf(std::span<const uint8_t> source, GgufType type, std::span<const uint8_t> grids, int first, int count,
                      Threads& threads) {
  check_rows(first, count);
  const BlockShape shape = block_shape(type);
  if (format_ != shape.format || columns_ % shape.elements != 0) {
    throw std::invalid_argument("blocks of GGUF type " + std::to_string(static_cast<int>(type)) +
                                " do not fit a matrix of format " + std::to_string(static_cast<int>(format_)) + " with " +
                                std::to_string(columns_) + " columns");
  }
  if (has_codes(format_) && table_ != code_table(type)) {
    throw std::invalid_argument("blocks of GGUF type " + std::to_string(static_cast<int>(type)) + " have codes of another table");
  }
  const size_t row_bytes = columns_ / shape.elements * shape.bytes;
  check_size("blocks", source.size(), count * row_bytes);
  check_size("grids", grids.size(), GRIDS_BYTES);
  std::atomic<bool> all_finite{true};
  with_type(type, [&]<GgufType TYPE>() {
    constexpr BlockShape SHAPE = block_shape(TYPE);
    constexpr int PARTS = SHAPE.elements / BLOCK;
    in_panels(first, count, threads, [&](int start, int n) {
      const uint8_t* const rows = source.data() + (start - first) * row_bytes;
      bool finite = true;
      Quants quants{};
      put(start, n, [&](int row, int b) {
        take_apart<TYPE>(rows + row * row_bytes + b / PARTS * SHAPE.bytes, b % PARTS, grids.data(), quants);
        return lane_of(SHAPE.format, quants, finite);
      });
      if (!finite) all_finite.store(false, std::memory_order_relaxed);
    });
  });
  return all_finite.load();
}

bool Matrix::put_quants(std::span<const Quants> blocks, int first, int count) {
  check_rows(first, count);
  if (!is_quantised(format_)) {
    throw std::invalid_argument("quants do not fit a matrix of format " + std::to_string(static_cast<int>(format_)));
  }
  const size_t in_row = columns_ / BLOCK;
  check_size("blocks of quants", blocks.size(), count * in_row);
  bool finite = true;
  put(first, count, [&](int row, int b) { return lane_of(format_, blocks[row * in_row + b], finite); });
  return finite;
}

void Matrix::put_plain(std::span<const uint8_t> source, int first, int count, Threads& threads) {
  check_rows(first, count);
  if (is_quantised(format_)) {
    throw std::invalid_argument("plain numbers do not fit a matrix of format " + std::to_string(static_cast<int>(format_)));
  }
  const size_t size = number_bytes(format_);
  check_size("numbers", source.size(), count * size * columns_);
  in_panels(first, count, threads, [&](int start, int n) {
    const uint8_t* from = source.data() + (start - first) * size * columns_;
    for (int row = start; row < start + n; row++) {
      uint8_t* to = data_ + panel_bytes() * (row / PANEL) + size * (row % PANEL);
      for (int column = 0; column < columns_; column++, from += size, to += size * PANEL) std::memcpy(to, from, size);
    }
  });
}

void Matrix::read(int row, float* out) const {
  check_rows(row, 1);
  if (scales_a_block(format_) > 1) throw std::invalid_argument("rows of half blocks cannot be read");
  const uint8_t* const data = panel(row / PANEL);
  is_quantised(format_) ? read_quants(data, row % PANEL, out) : read_plain(data, row % PANEL, out);
}

void Matrix::read_plain(const uint8_t* panel, int lane, float* out) const {
  for (int column = 0; column < columns_; column++) {
    const uint8_t* const value = panel + number_bytes(format_) * (static_cast<size_t>(column) * PANEL + lane);
    const uint16_t bits = at<uint16_t>(value);
    if (format_ == Format::F32) {
      out[column] = at<float>(value);
    } else {
      out[column] = format_ == Format::F16 ? from_half(bits) : std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
    }
  }
}

void Matrix::read_quants(const uint8_t* panel, int lane, float* out) const {
  const uint8_t* const units = panel + blocks_bytes() + 2 * lane;
  for (int b = 0; b < columns_ / BLOCK; b++, panel += block_bytes(format_), out += BLOCK) {
    const uint8_t* const heads = panel + PANEL * quant_bytes(format_) + head_bytes(format_) * lane;
    const auto number = [&](int which) {
      if (!has_steps(format_)) return from_half(at<uint16_t>(heads + 2 * PANEL * which));
      const uint8_t* const unit = units + unit_bytes(format_) * (b * BLOCK / GROUP) + 2 * PANEL * which;
      return static_cast<float>(at<int8_t>(heads + PANEL * which)) * from_half(at<uint16_t>(unit));
    };
    const float scale = number(0);
    const float offset = has_offset(format_) ? number(1) : 0.0f;
    int quants[BLOCK];
    unpack_row(format_, panel + 4 * lane, quants);
    const int lower = has_offset(format_) ? 0 : middle(format_);
    for (int i = 0; i < BLOCK; i++) out[i] = (has_codes(format_) ? table_[quants[i]] : quants[i] - lower) * scale + offset;
  }
}

}  // namespace llmworker
