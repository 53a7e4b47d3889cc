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

  // length: the most positions of a slot
  KvCache(CacheType type, int layers, int slots, int heads, int dim, int length);
  ~KvCache();
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  CacheType type() const { return type_; }
  int length() const { return length_; }
  int slots() const { return slots_; }
  size_t bytes() const { return 2 * head_bytes_ * layers_ * slots_ * heads_; }

  uint8_t* keys(int layer, int slot, int head) const { return place(layer, slot, head); }
  uint8_t* values(int layer, int slot, int head) const { return place(layer, slot, head) + head_bytes_; }

  // Puts a key and a value [dim] at a position.
  void put(int layer, int slot, int head, int position, const float* key, const float* value);

  // Copies the first `length` positions of a slot to another. Throws if there is no such slot.
  void copy(int source, int target, int length);
  // Exchanges two slots without moving their contents. Throws if there is no such slot.
  void swap(int a, int b);

 private:
  void check_slot(int slot) const;
  uint8_t* place(int layer, int slot, int head) const {
    return data_ + 2 * head_bytes_ * ((static_cast<size_t>(layer) * slots_ + lanes_[slot]) * heads_ + head);
  }
  size_t used_bytes(int positions) const;

  CacheType type_;
  int layers_, slots_, heads_, dim_, length_;
  size_t number_bytes_;
  size_t head_bytes_;
  // The place of each slot in memory.
  std::vector<int> lanes_;
  uint8_t* data_;
};

}  // namespace llmworker
