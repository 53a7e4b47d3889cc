// The KV cache: keys and values of past positions, by layer, slot and key-value head.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "formats.h"

namespace llmworker {

// Keys are stored in groups of eight positions, [dim, 8], so that eight scores are computed side by side. Values are
// [positions, dim]. A head's keys are contiguous, and so are its values: a short sequence touches few pages.
class KvCache {
 public:
  static constexpr int STRIDE = 8;

  // Key-value heads of a layer, and the numbers of each.
  struct Layer {
    int heads;
    int dim;
  };

  // length: the most positions of a slot
  KvCache(CacheType type, const std::vector<Layer>& layers, int slots, int length);
  ~KvCache();
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  CacheType type() const { return type_; }
  int length() const { return length_; }
  int slots() const { return slots_; }
  size_t bytes() const { return bytes_; }

  uint8_t* keys(int layer, int slot, int head) const { return place(layer, slot, head); }
  uint8_t* values(int layer, int slot, int head) const { return place(layer, slot, head) + head_bytes(layer); }

  // Puts a key and a value [dim] at a position.
  void put(int layer, int slot, int head, int position, const float* key, const float* value);

  // Copies the first `length` positions of a slot to another. Throws if there is no such slot.
  void copy(int source, int target, int length);
  // Exchanges two slots without moving their contents. Throws if there is no such slot.
  void swap(int a, int b);

 private:
  void check_slot(int slot) const;
  // The keys of a head, or its values.
  size_t head_bytes(int layer) const { return number_bytes_ * layers_[layer].dim * length_; }
  uint8_t* place(int layer, int slot, int head) const {
    return data_ + starts_[layer] + 2 * head_bytes(layer) * (static_cast<size_t>(lanes_[slot]) * layers_[layer].heads + head);
  }

  CacheType type_;
  std::vector<Layer> layers_;
  int slots_, length_;
  size_t number_bytes_;
  // Where each layer begins, in bytes.
  std::vector<size_t> starts_;
  size_t bytes_ = 0;
  // The place of each slot in memory.
  std::vector<int> lanes_;
  uint8_t* data_;
};

}  // namespace llmworker
