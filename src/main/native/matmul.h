// Products of rows of activations with weight matrices.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "matrix.h"
#include "simd.h"
#include "threads.h"

namespace llmworker {

// The fastest way to multiply activations of so many bits that this CPU has.
Products fastest_products(Bits bits);

// The largest scale of a block of activations of 8 bits, in units of its row's scale.
constexpr int LARGEST_MULTIPLE = 1 << 14;

// Rows [n, columns] as integers with a scale for each 32 columns, and what products need of them beside.
//
// In 16 bits, rounding to 1/32767 of a block's largest value loses little next to the quantised weights, and a multiplication takes
// two columns at once. For products of bytes a number is two bytes.
//
// In 8 bits a block's largest value becomes at most 127. A row has a scale of its own, and scales of blocks are multiples of it. So
// the instruction that adds up pairs of products can also multiply them with the block's scale.
class RoundedRows {
 public:
  // products: how these rows will be multiplied; the CPU must have it
  RoundedRows(Bits bits, Products products) : bits_(bits), products_(products) {}

  void resize(int n, int columns);
  void put(int row, const float* values);
  void copy(int row, const RoundedRows& from, int from_row);

  Products products() const { return products_; }
  // Whether a number is one byte.
  bool are_bytes() const { return bits_ == Bits::EIGHT && products_ != Products::WORDS; }
  int columns() const { return columns_; }
  // Of WORDS alone.
  const int16_t* quants(int row) const { return quants_.data() + row * stride(); }
  // From the quants of one row to those of the next, and likewise from bytes to bytes. Without the gap, rows of many sizes would
  // fall on the same lines of the L1 cache, which has room for eight of them.
  size_t stride() const { return static_cast<size_t>(columns_) + BLOCK; }
  // Of rows that are bytes. nibbles: the columns are in the order in which words of 4-bit quants have them, first the low halves of
  // their bytes; otherwise in that of words of bytes. In both, pairs of even columns and pairs of odd ones take turns.
  const int8_t* bytes(bool nibbles, int row) const { return bytes_[nibbles].data() + row * stride(); }
  // Of PAIRS, for each block: its scale, twice.
  const int32_t* multiples(int row) const { return multiples_.data() + static_cast<size_t>(row) * (columns_ / BLOCK); }
  // Of PAIRS, for each block two numbers of 16 bits: -subtracted times the sum of the quants in even columns, and in odd ones.
  // subtracted: 8 or 16
  const int32_t* pair_centres(int subtracted, int row) const {
    return pair_centres_[subtracted == 16].data() + static_cast<size_t>(row) * (columns_ / BLOCK);
  }
  // The same for 32, of the first or second 16 quants of each block.
  const int32_t* half_pair_centres(int half, int row) const {
    return half_pair_centres_[half].data() + static_cast<size_t>(row) * (columns_ / BLOCK);
  }
  // What the results of a row are multiplied with.
  float row_scale(int row) const { return row_scales_[row]; }
  // Of the others: [columns / 8, 2, 8], high and low halves, in both orders.
  const uint8_t* halves(bool nibbles, int row) const { return halves_[nibbles].data() + static_cast<size_t>(row) * 2 * columns_; }
  // For each block the sum of its quants.
  const int32_t* totals(int row) const { return totals_.data() + static_cast<size_t>(row) * (columns_ / BLOCK); }
  // For each block what centred quants add to its sums: -8 times the sum of its own quants.
  const int32_t* centres(int row) const { return centres_.data() + static_cast<size_t>(row) * (columns_ / BLOCK); }
  const float* scales(int row) const { return scales_.data() + static_cast<size_t>(row) * (columns_ / BLOCK); }
  // For each block the sum of its quants times its scale.
  const float* sums(int row) const { return sums_.data() + static_cast<size_t>(row) * (columns_ / BLOCK); }
  // The same of its first or second 16 quants.
  const float* half_sums(int half, int row) const {
    return half_sums_[half].data() + static_cast<size_t>(row) * (columns_ / BLOCK);
  }

 private:
  struct Scale {
    float scale;   // of a block, in units of the row's scale
    float factor;  // of its values, which become its quants
  };

  float scale_row(int row, const float* values);
  Scale scale_block(float most, float row_scale) const;
  void put_bytes(int row, int block, const int16_t* quants);
  void put_pairs(size_t at, const int16_t* quants);
  void put_halves(int row, int block, const int16_t* quants);

  Bits bits_;
  Products products_;
  int columns_ = 0;
  std::vector<int16_t> quants_;
  std::vector<int8_t> bytes_[2];
  std::vector<int32_t> multiples_;
  std::vector<int32_t> pair_centres_[2];
  std::vector<int32_t> half_pair_centres_[2];
  std::vector<float> row_scales_;
  std::vector<uint8_t> halves_[2];
  std::vector<int32_t> totals_;
  std::vector<int32_t> centres_;
  std::vector<float> scales_;
  std::vector<float> sums_;
  std::vector<float> half_sums_[2];
};

// The kinds of rounded rows that matrices need: in 16 or in 8 bits. Matrices of plain numbers need none.
struct Kinds {
  bool fine = false;
  bool coarse = false;

  bool has(Bits bits) const { return bits == Bits::EIGHT ? coarse : fine; }
  void add(const Matrix& w) {
    if (is_quantised(w.format())) (w.bits() == Bits::EIGHT ? coarse : fine) = true;
  }
};

// Rows [n, columns] as the matrices of a product need them.
//
// Columns past a multiple of 32 are not rounded. They count only in products with matrices of plain numbers: a quantised matrix has
// none, and `multiply` checks that the columns agree.
class Activations {
 public:
  // The next two: how rows in 16 and in 8 bits will be multiplied; the CPU must have it.
  explicit Activations(Products fine = fastest_products(Bits::SIXTEEN), Products coarse = fastest_products(Bits::EIGHT))
      : fine_(Bits::SIXTEEN, fine), coarse_(Bits::EIGHT, coarse) {}

  void resize(int n, int columns, Kinds kinds);
  // Converts one row. Threads may convert different rows at the same time. Keeps a pointer to the plain row, for matrices of
  // plain numbers.
  void put(int row, const float* values);
  // Makes a row the same as one of others, which must have the same kinds of rows. Threads may copy to different rows at the same
  // time.
  void copy(int row, const Activations& from, int from_row);

  int rows() const { return rows_; }
  int columns() const { return columns_; }
  Kinds kinds() const { return kinds_; }
  const RoundedRows& rounded(Bits bits) const { return bits == Bits::EIGHT ? coarse_ : fine_; }
  const float* plain(int row) const { return plain_[row]; }

 private:
  RoundedRows fine_, coarse_;
  int rows_ = 0;
  int columns_ = 0;
  Kinds kinds_;
  std::vector<const float*> plain_;
};

// Sets out[i][r] to, or adds to it, the sum over columns of x[first + i] · w[r], for `rows` rows i and all rows r of w. Row i of
// the result starts at out + i · stride. The order of a sum depends neither on the number of rows nor on the thread.
struct Product {
  const Activations* x;
  int first;
  int rows;
  const Matrix* w;
  float* out;
  int stride;
  bool add;
};

// Computes products as one piece of work, so that threads wait for each other once. Throws if a matrix and its activations differ
// in columns, if there are no such rows, or if they were not rounded as the matrix needs them.
void multiply(std::span<const Product> products, Threads& threads);

}  // namespace llmworker
