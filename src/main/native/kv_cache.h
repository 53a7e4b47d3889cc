// The cache: what layers keep of sequences, by layer and slot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "formats.h"

namespace llmworker {

// Keys are stored in groups of eight positions, [dim, 8], so that eight scores are computed side by side. Values are
// [positions, dim]. A head's keys are contiguous, and so are its values: a short sequence touches few pages.
//
// With CacheType::Q8 a number is a byte, and each GROUP of numbers of a position has a scale in float16. Eight positions are a block:
// their bytes, and then their scales, [groups, 8]. Bytes of keys are [dim / 2, 8, 2], so that two numbers of eight keys are
// multiplied at once. Those of values are [8, dim].
//
// A layer may keep the last positions alone, in a ring, or a recurrent state. Of these a slot has several: number 0 is the
// present one, the others are copies at earlier positions.
class KvCache {
 public:
  static constexpr int STRIDE = 8;

  // Attention reads so many positions at a time, which lie side by side. Rings are multiples of this.
  static constexpr int PIECE = 256;
  // States of a slot.
  static constexpr int STATES = 3;
  // Numbers that share a scale, with CacheType::Q8. The last group of a position may have fewer.
  static constexpr int GROUP = 32;

  static constexpr int groups(int dim) { return (dim + GROUP - 1) / GROUP; }
  // What a key takes, or a value.
  static constexpr size_t position_bytes(CacheType type, int dim) {
    switch (type) {
      case CacheType::F32: return size_t{4} * dim;
      case CacheType::F16:
      case CacheType::BF16: return size_t{2} * dim;
      case CacheType::Q8: return dim + sizeof(uint16_t) * groups(dim);
    }
    return 0;
  }

  // What a layer keeps.
  struct Layer {
    int heads;  // of keys and values
    int dim;    // numbers of each
    int ring = 0;       // the positions that it keeps; 0: all
    int64_t floats = 0;  // of a recurrent state, if it has one instead of keys and values

    bool has_states() const { return ring > 0 || floats > 0; }
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

  // The positions that a layer keeps. Position p is at p % positions.
  int positions(int layer) const { return layers_[layer].ring > 0 ? layers_[layer].ring : length_; }
  // The present recurrent state.
  float* state(int layer, int slot) const { return reinterpret_cast<float*>(place(layer, slot, 0)); }
  bool has_states() const;

  // Puts a key and a value [dim] at a position.
  void put(int layer, int slot, int head, int position, const float* key, const float* value);

  // Copies the first `length` positions of a slot to another, in layers that keep all positions. Throws if there is no such slot.
  void copy(int source, int target, int length);
  // Copies state number `from` of a slot to number `to` of another or of the same, in the other layers. Throws if there is no such
  // slot or state.
  void copy_state(int source, int from, int target, int to);
  // Copies positions `start` to `end`, exclusive, of a slot to bytes outside of the cache, in layers that keep all positions, and
  // back. They are whole groups: `start` is a multiple of STRIDE, and `end` is rounded up to one. There may be more bytes than
  // are needed. Throws if there are fewer, or if there are no such positions.
  void read(int slot, int start, int end, std::span<uint8_t> bytes) const;
  void write(int slot, int start, int end, std::span<const uint8_t> bytes);
  // Likewise a state of a slot, in the other layers.
  void read_state(int slot, int state, std::span<uint8_t> bytes) const;
  void write_state(int slot, int state, std::span<const uint8_t> bytes);
  // Exchanges two slots with their states, without moving their contents. Throws if there is no such slot.
  void swap(int a, int b);

 private:
  // Memory of the cache that lies side by side.
  using Piece = std::span<uint8_t>;

  void check_slot(int slot) const;
  void check_state(int state) const;
  // All pieces that `read` and `read_state` copy, one after the other. Throws unless so many bytes hold them.
  std::vector<Piece> pieces(int slot, int start, int end, size_t bytes) const;
  std::vector<Piece> state_pieces(int slot, int state, size_t bytes) const;
  // The keys of a head, or its values.
  size_t head_bytes(int layer) const { return position_bytes(layer) * positions(layer); }
  size_t position_bytes(int layer) const { return position_bytes(type_, layers_[layer].dim); }
  uint8_t* place(int layer, int slot, int head) const { return unit(layer, slot, 0) + 2 * head_bytes(layer) * head; }
  // A state of a slot, or all that a layer without states keeps of it.
  uint8_t* unit(int layer, int slot, int state) const {
    const size_t units = layers_[layer].has_states() ? STATES : 1;
    return data_ + starts_[layer] + unit_bytes_[layer] * (units * lanes_[slot] + state);
  }

  CacheType type_;
  std::vector<Layer> layers_;
  int slots_, length_;
  // Bytes of a unit of each layer.
  std::vector<size_t> unit_bytes_;
  // Where each layer begins, in bytes.
  std::vector<size_t> starts_;
  size_t bytes_ = 0;
  // The place of each slot in memory.
  std::vector<int> lanes_;
  uint8_t* data_;
};

}  // namespace llmworker
