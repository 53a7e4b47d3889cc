#include "matrix.h"

#include <sys/mman.h>

#include <cstring>
#include <new>
#include <utility>

namespace llmworker {

namespace {

uint16_t half(float value) {
  return static_cast<uint16_t>(_mm_extract_epi16(_mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT), 0));
}

float number(uint16_t half) { return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half))); }

uint16_t read16(const uint8_t* p) {
  uint16_t value;
  std::memcpy(&value, p, 2);
  return value;
}

// Where the columns of an 8-column word of 4-bit quants lie, from its lowest bits: masks of the lowest 4 bits of each
// half of the word bring up columns 0 and 1, shifted by 4 columns 2 and 3, and so on.
constexpr int NIBBLE_COLUMNS[8] = {0, 2, 4, 6, 1, 3, 5, 7};
// The same for the 4-column word of bytes.
constexpr int BYTE_COLUMNS[4] = {0, 2, 1, 3};

}  // namespace

Matrix::Matrix(Format format, int rows, int columns) : format_(format), rows_(rows), columns_(columns) {
  // Fresh pages, zero; large ones, for a token reads all of it once.
  void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  madvise(memory, bytes(), MADV_HUGEPAGE);
  data_ = static_cast<uint8_t*>(memory);
}

Matrix::~Matrix() {
  if (data_ != nullptr) munmap(data_, bytes());
}

Matrix::Matrix(Matrix&& other) noexcept
    : format_(other.format_), rows_(other.rows_), columns_(other.columns_), data_(std::exchange(other.data_, nullptr)) {}

Matrix& Matrix::operator=(Matrix&& other) noexcept {
  std::swap(format_, other.format_);
  std::swap(rows_, other.rows_);
  std::swap(columns_, other.columns_);
  std::swap(data_, other.data_);
  return *this;
}

size_t Matrix::panel_bytes() const {
  if (is_quantised(format_)) return block_bytes(format_) * (columns_ / BLOCK);
  return number_bytes(format_) * PANEL * columns_;
}

uint8_t* Matrix::block(int row, int block) {
  return data_ + panel_bytes() * (row / PANEL) + block_bytes(format_) * block;
}

void Matrix::put_block(int row, int at, const uint8_t* quants, const uint16_t* scales, uint16_t offset) {
  uint8_t* const out = block(row, at);
  const int lane = row % PANEL;
  // Eight rows of 4 bytes make a vector, and the panel's two vectors of a word take turns.
  uint8_t* words = out + lane / 8 * 32 + lane % 8 * 4;
  if (format_ == Format::Q4) {
    for (int word = 0; word < BLOCK / 8; word++, words += 64) {
      uint32_t bits = 0;
      for (int i = 0; i < 8; i++) bits |= static_cast<uint32_t>(quants[word * 8 + NIBBLE_COLUMNS[i]]) << (4 * i);
      std::memcpy(words, &bits, 4);
    }
  } else {
    for (int word = 0; word < BLOCK / 4; word++, words += 64) {
      for (int i = 0; i < 4; i++) words[i] = quants[word * 4 + BYTE_COLUMNS[i]];
    }
  }
  uint16_t* heads = reinterpret_cast<uint16_t*>(out + PANEL * quant_bytes(format_));
  for (int i = 0; i < scales_a_block(format_); i++, heads += PANEL) heads[lane] = scales[i];
  if (has_offset(format_)) heads[lane] = offset;
}

void Matrix::put_gguf(const uint8_t* source, int gguf_type, int first, int count) {
  const int blocks = columns_ / BLOCK;
  const int head = gguf_type == 3 ? 4 : 2;
  uint8_t quants[BLOCK];
  for (int row = first; row < first + count; row++) {
    for (int b = 0; b < blocks; b++) {
      const uint16_t scale = read16(source);
      uint16_t offset = 0;
      const uint8_t* data = source + head;
      if (gguf_type == 8) {
        put_block(row, b, data, &scale, 0);
        source = data + BLOCK;
        continue;
      }
      // Column j in the low and column j + 16 in the high half of byte j.
      for (int j = 0; j < 16; j++) {
        quants[j] = data[j] & 15;
        quants[j + 16] = data[j] >> 4;
      }
      offset = gguf_type == 3 ? read16(source + 2) : half(number(scale) * -8.0f);
      put_block(row, b, quants, &scale, offset);
      source = data + BLOCK / 2;
    }
  }
}

void Matrix::put_quants(const uint8_t* quants, const float* scales, const float* offsets, int first, int count) {
  const int blocks = columns_ / BLOCK, each = scales_a_block(format_);
  for (int row = first; row < first + count; row++) {
    for (int b = 0; b < blocks; b++, quants += BLOCK, scales += each, offsets += each) {
      uint16_t halves[2];
      for (int i = 0; i < each; i++) halves[i] = half(scales[i]);
      if (has_offset(format_)) {
        put_block(row, b, quants, halves, half(offsets[0]));
        continue;
      }
      uint8_t centred[BLOCK];
      for (int j = 0; j < BLOCK; j++) centred[j] = static_cast<uint8_t>(quants[j] - 32);
      put_block(row, b, centred, halves, 0);
    }
  }
}

void Matrix::put_plain(const void* source, int first, int count) {
  const size_t size = number_bytes(format_);
  const uint8_t* from = static_cast<const uint8_t*>(source);
  for (int row = first; row < first + count; row++) {
    uint8_t* to = data_ + panel_bytes() * (row / PANEL) + size * (row % PANEL);
    for (int column = 0; column < columns_; column++, from += size, to += size * PANEL) std::memcpy(to, from, size);
  }
}

}  // namespace llmworker
