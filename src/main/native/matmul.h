// Products of rows of activations with weight matrices.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "matrix.h"
#include "simd.h"
#include "threads.h"

namespace llmworker {

// The fastest way to multiply that this CPU has.
Products fastest_products();

// Rows [n, columns] in 16 bits with a scale for each 32 columns. Rounding to 1/32767 of a block's largest value loses little next
// to the quantised weights, and a multiplication takes two columns at once. For products of bytes a number is two bytes.
//
// Columns past a multiple of 32 have no quants. They count only in products with matrices of plain numbers: a quantised matrix
// has none, and `multiply` checks that the columns agree.
class Activations {
 public:
  // products: how these rows will be multiplied; the CPU must have it
  explicit Activations(Products products = fastest_products()) : products_(products) {}

  void resize(int n, int columns);
  // Converts one row. Threads may convert different rows at the same time. Keeps a pointer to the plain row, for matrices of
  // plain numbers.
  void put(int row, const float* values);
  // Makes a row the same as one of others, which must have the same `products`. Threads may copy to different rows at the same
  // time.
  void copy(int row, const Activations& from, int from_row);

  Products products() const { return products_; }
  int rows() const { return rows_; }
  int columns() const { return columns_; }
  // Of WORDS alone.
  const int16_t* quants(int row) const { return quants_.data() + row * stride(); }
  // From the quants of one row to those of the next. Without the gap, rows of many sizes would fall on the same lines of the L1
  // cache, which has room for eight of them.
  size_t stride() const { return static_cast<size_t>(columns_) + BLOCK; }
  // Of the others: [columns / 8, 2, 8], high and low halves. nibbles: the columns are in the order in which words of 4-bit quants
  // have them, first the low halves of their bytes; otherwise in that of words of bytes.
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
  const float* plain(int row) const { return plain_[row]; }

 private:
  void put_halves(int row, int block, const int16_t* quants);

  Products products_;
  int rows_ = 0;
  int columns_ = 0;
  std::vector<int16_t> quants_;
  std::vector<uint8_t> halves_[2];
  std::vector<int32_t> totals_;
  std::vector<int32_t> centres_;
  std::vector<float> scales_;
  std::vector<float> sums_;
  std::vector<float> half_sums_[2];
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
// in columns, or if there are no such rows.
void multiply(std::span<const Product> products, Threads& threads);

}  // namespace llmworker
