// Products of rows of activations with weight matrices.
#pragma once

#include <cstdint>
#include <vector>

#include "matrix.h"
#include "threads.h"

namespace llmworker {

// Rows [n, columns] in 16 bits with a scale for each 32 of them: a ten-thousandth of a block's largest value is told apart,
// so next to the weights' quants nothing is lost, and a multiplication takes two columns at once.
class Activations {
 public:
  void resize(int n, int columns);
  // Converts one row; rows can be converted side by side. The plain row is kept as a pointer, for matrices of plain numbers.
  void put(int row, const float* values);

  int rows() const { return rows_; }
  int columns() const { return columns_; }
  const int16_t* quants(int row) const { return quants_.data() + static_cast<size_t>(row) * columns_; }
  const float* scales(int row) const { return scales_.data() + static_cast<size_t>(row) * (columns_ / BLOCK); }
  // Of each block, as float: the sum of its quants times the scale.
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

// out[i][r] = or += the sum over columns of x[i] · w[r], for all rows i of x and r of w; row i of the result lies at
// out + i · stride. An element is summed up in the same order whatever n is and whoever computes it.
void multiply(const Activations& x, const Matrix& w, float* out, int stride, bool add, Threads& threads);

}  // namespace llmworker
