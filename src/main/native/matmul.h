// Products of rows of activations with weight matrices.
#pragma once

#include <cstdint>
#include <vector>

#include "matrix.h"
#include "threads.h"

namespace llmworker {

// Rows [n, columns] in 16 bits with a scale for each 32 columns. Rounding to 1/32767 of a block's largest value loses little next
// to the quantised weights, and a multiplication takes two columns at once.
//
// Columns past a multiple of 32 have no quants. They count only in products with matrices of plain numbers: a quantised matrix
// has none, and `multiply` checks that the columns agree.
class Activations {
 public:
  void resize(int n, int columns);
  // Converts one row. Threads may convert different rows at the same time. Keeps a pointer to the plain row, for matrices of
  // plain numbers.
  void put(int row, const float* values);

  int rows() const { return rows_; }
  int columns() const { return columns_; }
  const int16_t* quants(int row) const { return quants_.data() + static_cast<size_t>(row) * columns_; }
  const float* scales(int row) const { return scales_.data() + static_cast<size_t>(row) * (columns_ / BLOCK); }
  // For each block the sum of its quants times its scale.
  const float* sums(int row) const { return sums_.data() + static_cast<size_t>(row) * (columns_ / BLOCK); }
  const float* plain(int row) const { return plain_[row]; }

 private:
  int rows_ = 0;
  int columns_ = 0;
  std::vector<int16_t> quants_;
  std::vector<float> scales_;
  std::vector<float> sums_;
  std::vector<const float*> plain_;
};

// Sets out[i][r] to, or adds to it, the sum over columns of x[i] · w[r], for all rows i of x and r of w. Row i of the result
// starts at out + i · stride. The order of a sum depends neither on n nor on the thread. Throws if x and w differ in columns.
void multiply(const Activations& x, const Matrix& w, float* out, int stride, bool add, Threads& threads);

}  // namespace llmworker
