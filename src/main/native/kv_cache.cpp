#include "kv_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <numeric>
#include <stdexcept>
#include <string>

#include "simd.h"

namespace llmworker {

namespace {

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

}  // namespace

KvCache::KvCache(CacheType type, const std::vector<Layer>& layers, int slots, int length)
    : type_(type), layers_(layers), slots_(slots), length_((length + STRIDE - 1) / STRIDE * STRIDE) {
  number_bytes_ = type == CacheType::F32 ? 4 : 2;
  for (int i = 0; i < static_cast<int>(layers_.size()); i++) {
    const Layer& layer = layers_[i];
    if (layer.dim % 8 != 0) throw std::invalid_argument("heads have " + std::to_string(layer.dim) + " values; expected a multiple of 8");
    if (layer.ring < 0 || layer.ring % PIECE != 0 || layer.floats < 0 || layer.floats % 8 != 0) {
      throw std::invalid_argument("a ring of " + std::to_string(layer.ring) + " positions or a state of " +
                                  std::to_string(layer.floats) + " numbers is impossible");
    }
    size_t unit = layer.floats > 0 ? 4 : 2 * number_bytes_, all = 0;
    const auto times = [](size_t& product, size_t factor) {
      if (__builtin_mul_overflow(product, factor, &product)) throw std::bad_alloc();
    };
    if (layer.floats > 0) {
      times(unit, static_cast<size_t>(layer.floats));
    } else {
      for (const int factor : {layer.dim, positions(i), layer.heads}) times(unit, static_cast<size_t>(factor));
    }
    all = unit;
    times(all, static_cast<size_t>(slots));
    times(all, layer.has_states() ? STATES : 1);
    unit_bytes_.push_back(unit);
    starts_.push_back(bytes_);
    if (__builtin_add_overflow(bytes_, all, &bytes_)) throw std::bad_alloc();
  }
  lanes_.resize(slots);
  std::iota(lanes_.begin(), lanes_.end(), 0);
  // The system allocates a page when it is first written to, so a slot that is never used takes no memory.
  void* memory = mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<uint8_t*>(memory);
}

KvCache::~KvCache() { munmap(data_, bytes()); }

void KvCache::put(int layer, int slot, int head, int position, const float* key, const float* value) {
  uint8_t *k = keys(layer, slot, head), *v = values(layer, slot, head);
  const int dim = layers_[layer].dim;
  position %= positions(layer);
  switch (type_) {
    case CacheType::F32: return put_numbers<float>(k, v, dim, position, key, value);
    case CacheType::F16: return put_numbers<Half>(k, v, dim, position, key, value);
    case CacheType::BF16: return put_numbers<Bfloat>(k, v, dim, position, key, value);
  }
}

void KvCache::check_slot(int slot) const {
  if (slot < 0 || slot >= slots_) {
    throw std::out_of_range("slot " + std::to_string(slot) + " is outside a cache of " + std::to_string(slots_) + " slots");
  }
}

bool KvCache::has_states() const {
  return std::any_of(layers_.begin(), layers_.end(), [](const Layer& layer) { return layer.has_states(); });
}

void KvCache::copy_state(int source, int from, int target, int to) {
  check_slot(source);
  check_slot(target);
  if (std::min(from, to) < 0 || std::max(from, to) >= STATES) {
    throw std::out_of_range("a slot has no state " + std::to_string(from) + " or no state " + std::to_string(to));
  }
  for (int layer = 0; layer < static_cast<int>(layers_.size()); layer++) {
    if (!layers_[layer].has_states()) continue;
    std::memmove(unit(layer, target, to), unit(layer, source, from), unit_bytes_[layer]);
  }
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
    const size_t used = number_bytes_ * layers_[layer].dim * positions;
    for (int head = 0; head < layers_[layer].heads; head++) {
      std::memcpy(keys(layer, target, head), keys(layer, source, head), used);
      std::memcpy(values(layer, target, head), values(layer, source, head), used);
    }
  }
}

}  // namespace llmworker
