#include "kv_cache.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>

#include "memory.h"
#include "simd.h"

namespace llmworker {

namespace {

// What its memory is called in errors.
constexpr const char* USE = "the KV cache";

template <typename Number>
void put_numbers(uint8_t* keys, uint8_t* values, int dim, int position, const float* key, const float* value) {
  constexpr int STRIDE = KvCache::STRIDE;
  Number* column = reinterpret_cast<Number*>(keys) + static_cast<size_t>(position / STRIDE) * STRIDE * dim + position % STRIDE;
  Number* row = reinterpret_cast<Number*>(values) + static_cast<size_t>(position) * dim;
  for (int d = 0; d < dim; d += 8) {
    Number eight[8];
    store8(eight, load8(key + d));
    for (int i = 0; i < 8; i++) column[(d + i) * STRIDE] = eight[i];
    store8(row + d, load8(value + d));
  }
}

// The scale of up to GROUP numbers, and what they become: the nearest multiples of it. If one is not a number, neither is the scale.
Half to_bytes(const float* numbers, int count, int8_t* bytes) {
  constexpr float LARGEST = 127.0f, LARGEST_HALF = 65504.0f;
  float largest = 0;
  bool are_numbers = true;
  for (int i = 0; i < count; i++) {
    are_numbers = are_numbers && numbers[i] == numbers[i];
    largest = std::max(largest, std::abs(numbers[i]));
  }
  // As float16 caches bound numbers.
  const Half scale{to_half(are_numbers ? std::min(largest, LARGEST_HALF) / LARGEST : NAN)};
  const float step = from_half(scale.bits);
  if (!(step > 0)) {
    std::memset(bytes, 0, count);
    return scale;
  }
  const F32x8 steps = splat(step), most = splat(LARGEST);
  for (int i = 0; i < count; i += 8) {
    float eight[8];
    store8(eight, round_to_whole(maximum(minimum(load8(numbers + i) / steps, most), splat(0.0f) - most)));
    for (int j = 0; j < 8; j++) bytes[i + j] = static_cast<int8_t>(eight[j]);
  }
  return scale;
}

void put_bytes(uint8_t* keys, uint8_t* values, int dim, int position, const float* key, const float* value) {
  constexpr int STRIDE = KvCache::STRIDE, GROUP = KvCache::GROUP;
  const size_t block = static_cast<size_t>(position / STRIDE) * STRIDE * KvCache::position_bytes(CacheType::Q8, dim);
  const int at = position % STRIDE;
  const auto put_scale = [&](uint8_t* start, int group, Half scale) {
    std::memcpy(start + block + STRIDE * dim + sizeof scale * (group * STRIDE + at), &scale, sizeof scale);
  };
  int8_t* const pairs = reinterpret_cast<int8_t*>(keys + block);
  int8_t* const row = reinterpret_cast<int8_t*>(values + block) + at * dim;
  for (int d = 0; d < dim; d += GROUP) {
    int8_t bytes[GROUP];
    const int count = std::min(GROUP, dim - d);
    put_scale(keys, d / GROUP, to_bytes(key + d, count, bytes));
    for (int i = 0; i < count; i++) pairs[(d + i) / 2 * 2 * STRIDE + 2 * at + i % 2] = bytes[i];
    put_scale(values, d / GROUP, to_bytes(value + d, count, row + d));
  }
}

// Throws unless `bytes` hold all pieces.
template <typename Pieces>
Pieces checked(Pieces pieces, size_t bytes) {
  size_t needed = 0;
  for (const auto& piece : pieces) needed += piece.size();
  if (bytes < needed) {
    throw std::out_of_range("a copy of the cache takes " + std::to_string(needed) + " bytes, not " + std::to_string(bytes));
  }
  return pieces;
}

void copy_out(const std::vector<std::span<uint8_t>>& pieces, uint8_t* to) {
  for (const auto& piece : pieces) {
    std::memcpy(to, piece.data(), piece.size());
    to += piece.size();
  }
}

void copy_in(const std::vector<std::span<uint8_t>>& pieces, const uint8_t* from) {
  for (const auto& piece : pieces) {
    std::memcpy(piece.data(), from, piece.size());
    from += piece.size();
  }
}

}  // namespace

KvCache::KvCache(CacheType type, const std::vector<Layer>& layers, int slots, int length)
    : type_(type), layers_(layers), slots_(slots), length_((length + STRIDE - 1) / STRIDE * STRIDE) {
  for (int i = 0; i < static_cast<int>(layers_.size()); i++) {
    const Layer& layer = layers_[i];
    if (layer.dim % 8 != 0) throw std::invalid_argument("heads have " + std::to_string(layer.dim) + " values; expected a multiple of 8");
    if (layer.ring < 0 || layer.ring % PIECE != 0 || layer.floats < 0 || layer.floats % 8 != 0) {
      throw std::invalid_argument("a ring of " + std::to_string(layer.ring) + " positions or a state of " +
                                  std::to_string(layer.floats) + " numbers is impossible");
    }
    size_t unit = layer.floats > 0 ? 4 : 2, all = 0;
    const auto times = [](size_t& product, size_t factor) {
      const double exact = static_cast<double>(product) * static_cast<double>(factor);
      if (__builtin_mul_overflow(product, factor, &product)) throw OutOfMemory(USE, exact);
    };
    if (layer.floats > 0) {
      times(unit, static_cast<size_t>(layer.floats));
    } else {
      times(unit, position_bytes(i));
      for (const int factor : {positions(i), layer.heads}) times(unit, static_cast<size_t>(factor));
    }
    all = unit;
    times(all, static_cast<size_t>(slots));
    times(all, layer.has_states() ? STATES : 1);
    unit_bytes_.push_back(unit);
    starts_.push_back(bytes_);
    const double sum = static_cast<double>(bytes_) + static_cast<double>(all);
    if (__builtin_add_overflow(bytes_, all, &bytes_)) throw OutOfMemory(USE, sum);
  }
  lanes_.resize(slots);
  std::iota(lanes_.begin(), lanes_.end(), 0);
  // The system allocates a page when it is first written to, so a slot that is never used takes no memory.
  data_ = static_cast<uint8_t*>(map_pages(bytes(), USE));
}

KvCache::~KvCache() { unmap_pages(data_, bytes()); }

void KvCache::put(int layer, int slot, int head, int position, const float* key, const float* value) {
  uint8_t *k = keys(layer, slot, head), *v = values(layer, slot, head);
  const int dim = layers_[layer].dim;
  position %= positions(layer);
  switch (type_) {
    case CacheType::F32: return put_numbers<float>(k, v, dim, position, key, value);
    case CacheType::F16: return put_numbers<Half>(k, v, dim, position, key, value);
    case CacheType::BF16: return put_numbers<Bfloat>(k, v, dim, position, key, value);
    case CacheType::Q8: return put_bytes(k, v, dim, position, key, value);
  }
}

void KvCache::check_slot(int slot) const {
  if (slot < 0 || slot >= slots_) {
    throw std::out_of_range("slot " + std::to_string(slot) + " is outside a cache of " + std::to_string(slots_) + " slots");
  }
}

void KvCache::check_state(int state) const {
  if (state < 0 || state >= STATES) throw std::out_of_range("a slot has no state " + std::to_string(state));
}

bool KvCache::has_states() const {
  return std::any_of(layers_.begin(), layers_.end(), [](const Layer& layer) { return layer.has_states(); });
}

void KvCache::copy_state(int source, int from, int target, int to) {
  check_slot(source);
  check_slot(target);
  check_state(from);
  check_state(to);
  for (int layer = 0; layer < static_cast<int>(layers_.size()); layer++) {
    if (!layers_[layer].has_states()) continue;
    std::memmove(unit(layer, target, to), unit(layer, source, from), unit_bytes_[layer]);
  }
}

std::vector<KvCache::Piece> KvCache::pieces(int slot, int start, int end, size_t bytes) const {
  check_slot(slot);
  if (start < 0 || start % STRIDE != 0 || end < start || end > length_) {
    throw std::out_of_range("positions " + std::to_string(start) + " to " + std::to_string(end) + " are no part of a slot");
  }
  const size_t count = (end - start + STRIDE - 1) / STRIDE * STRIDE;
  std::vector<Piece> all;
  for (int layer = 0; layer < static_cast<int>(layers_.size()); layer++) {
    if (layers_[layer].has_states()) continue;
    const size_t row = position_bytes(layer);
    for (int head = 0; head < layers_[layer].heads; head++) {
      all.emplace_back(keys(layer, slot, head) + start * row, count * row);
      all.emplace_back(values(layer, slot, head) + start * row, count * row);
    }
  }
  return checked(std::move(all), bytes);
}

std::vector<KvCache::Piece> KvCache::state_pieces(int slot, int state, size_t bytes) const {
  check_slot(slot);
  check_state(state);
  std::vector<Piece> all;
  for (int layer = 0; layer < static_cast<int>(layers_.size()); layer++) {
    if (layers_[layer].has_states()) all.emplace_back(unit(layer, slot, state), unit_bytes_[layer]);
  }
  return checked(std::move(all), bytes);
}

void KvCache::read(int slot, int start, int end, std::span<uint8_t> bytes) const {
  copy_out(pieces(slot, start, end, bytes.size()), bytes.data());
}

void KvCache::write(int slot, int start, int end, std::span<const uint8_t> bytes) {
  copy_in(pieces(slot, start, end, bytes.size()), bytes.data());
}

void KvCache::read_state(int slot, int state, std::span<uint8_t> bytes) const {
  copy_out(state_pieces(slot, state, bytes.size()), bytes.data());
}

void KvCache::write_state(int slot, int state, std::span<const uint8_t> bytes) {
  copy_in(state_pieces(slot, state, bytes.size()), bytes.data());
}

void KvCache::swap(int a, int b) {
  check_slot(a);
  check_slot(b);
  std::swap(lanes_[a], lanes_[b]);
}

void KvCache::copy(int source, int target, int length) {
  check_slot(source);
  check_slot(target);
  if (length < 0) throw std::out_of_range(std::to_string(length) + " positions cannot be copied");
  const size_t positions = std::min(length_, (length + STRIDE - 1) / STRIDE * STRIDE);
  for (int layer = 0; layer < static_cast<int>(layers_.size()); layer++) {
    if (layers_[layer].has_states()) continue;
    const size_t used = position_bytes(layer) * positions;
    for (int head = 0; head < layers_[layer].heads; head++) {
      std::memcpy(keys(layer, target, head), keys(layer, source, head), used);
      std::memcpy(values(layer, target, head), values(layer, source, head), used);
    }
  }
}

}  // namespace llmworker
