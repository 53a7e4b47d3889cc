// Keys and values of the positions that have been through the model, by layer, slot and key-value head.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace llmworker {

enum class CacheType { F32, F16, BF16 };

// Keys lie eight positions at a time, [D, 8], so that eight scores come out side by side; values [positions, D]. A head's
// keys are in one piece, and so are its values: a short sequence touches few pages.
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

  // The first `length` positions of a slot to another.
  void copy(int source, int target, int length);
  // Exchanges two slots, without moving what they hold.
  void swap(int a, int b) { std::swap(lanes_[a], lanes_[b]); }

 private:
  uint8_t* place(int layer, int slot, int head) const {
    return data_ + 2 * head_bytes_ * ((static_cast<size_t>(layer) * slots_ + lanes_[slot]) * heads_ + head);
  }
  size_t used_bytes(int positions) const;

  CacheType type_;
  int layers_, slots_, heads_, dim_, length_;
  size_t number_bytes_;
  size_t head_bytes_;
  // Where each slot lies.
  std::vector<int> lanes_;
  uint8_t* data_;
};

}  // namespace llmworker
