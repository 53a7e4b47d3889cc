// The scales and offsets of a panel's blocks, as products need them.
#pragma once

#include <cstdint>
#include <type_traits>
#include <vector>

#include "matrix.h"
#include "wide.h"

namespace llmworker {

// A block's scales and offsets: [0] for the panel's first LANES rows, [1] for the others.
template <typename Vector>
struct Heads {
  Vector scale[2];
  Vector offset[2];
};

template <typename Vector, typename Number>
inline Vector load_numbers(const Number* p) {
  if constexpr (std::is_same_v<Vector, F32x8>) {
    return load8(p);
  } else {
    return load_wide(p);
  }
}

template <typename Vector>
inline Vector all_lanes(float number) {
  if constexpr (std::is_same_v<Vector, F32x8>) {
    return splat(number);
  } else {
    return splat_wide(number);
  }
}

// What a panel has behind the quants of a block, and the units of the block's group: [kinds, PANEL].
struct HeadBytes {
  const uint8_t* heads;
  const float* units;

  // Of the block, or of its half number `part`, for two vectors of rows. lane, other_lane: the first row of each
  template <Format FORMAT, typename Vector>
  [[gnu::always_inline]] Heads<Vector> of(int part, int lane, int other_lane) const {
    Heads<Vector> all{{one<FORMAT, Vector>(0, part, lane), one<FORMAT, Vector>(0, part, other_lane)}, {}};
    if constexpr (has_offset(FORMAT)) {
      all.offset[0] = one<FORMAT, Vector>(1, part, lane);
      all.offset[1] = one<FORMAT, Vector>(1, part, other_lane);
      if constexpr (subtracted(FORMAT) > 0) {
        const Vector more = all_lanes<Vector>(subtracted(FORMAT));
        for (const int i : {0, 1}) all.offset[i] = multiply_add(all.scale[i], more, all.offset[i]);
      }
    }
    return all;
  }

 private:
  // kind: 0: scales, 1: offsets
  template <Format FORMAT, typename Vector>
  [[gnu::always_inline]] Vector one(int kind, int part, int lane) const {
    const uint8_t* const numbers = heads + head_bytes(FORMAT) * (PANEL * (scales_a_block(FORMAT) * kind + part) + lane);
    if constexpr (has_steps(FORMAT)) {
      return load_numbers<Vector>(reinterpret_cast<const int8_t*>(numbers)) * load_numbers<Vector>(units + PANEL * kind + lane);
    } else {
      return load_numbers<Vector>(reinterpret_cast<const Half*>(numbers));
    }
  }
};

// Scales and offsets of a block that were unpacked before: [kinds, parts, PANEL].
struct ReadyHeads {
  const float* numbers;

  template <Format FORMAT, typename Vector>
  [[gnu::always_inline]] Heads<Vector> of(int part, int lane, int other_lane) const {
    const float* const scales = numbers + PANEL * part;
    const float* const offsets = scales + PANEL * scales_a_block(FORMAT) * (has_offset(FORMAT) ? 1 : 0);
    return {{load_numbers<Vector>(scales + lane), load_numbers<Vector>(scales + other_lane)},
            {load_numbers<Vector>(offsets + lane), load_numbers<Vector>(offsets + other_lane)}};
  }
};

// The units of a panel as floats, [groups, kinds, PANEL]; null if it has none. Valid until this thread calls it again.
template <Format FORMAT>
inline const float* unpack_units(const Matrix& w, const uint8_t* panel) {
  if constexpr (!has_steps(FORMAT)) {
    return nullptr;
  } else {
    static thread_local std::vector<float> units;
    const int count = static_cast<int>(unit_bytes(FORMAT)) / 2 * (w.columns() / GROUP);
    const auto* const halves = reinterpret_cast<const Half*>(panel + w.blocks_bytes());
    units.resize(count);
    for (int i = 0; i < count; i += LANES) store_wide(units.data() + i, load_wide(halves + i));
    return units.data();
  }
}

// Of block b of a panel. block: where it begins; units: of `unpack_units`
template <Format FORMAT>
inline HeadBytes head_bytes_of(const uint8_t* block, const float* units, int b) {
  return {block + PANEL * quant_bytes(FORMAT), units + unit_bytes(FORMAT) / 2 * (b * BLOCK / GROUP)};
}

// Those of block b of a panel, which begins at `block`. numbers: of `unpack_units`; if READY of `unpack_heads`, from block `from` on
template <Format FORMAT, bool READY>
[[gnu::always_inline]] inline auto block_heads(const uint8_t* block, const float* numbers, int from, int b) {
  if constexpr (READY) {
    return ReadyHeads{numbers + PANEL * heads_a_block(FORMAT) * (b - from)};
  } else {
    return head_bytes_of<FORMAT>(block, numbers, b);
  }
}

// The heads of `count` blocks of a panel, from block `from` on, as ReadyHeads. panel: where the first of them begins; units: of
// `unpack_units`
template <Format FORMAT>
inline void unpack_heads(const uint8_t* panel, const float* units, int from, int count, float* out) {
  constexpr int PARTS = scales_a_block(FORMAT);
  for (int b = from; b < from + count; b++, panel += block_bytes(FORMAT), out += PANEL * heads_a_block(FORMAT)) {
    const HeadBytes heads = head_bytes_of<FORMAT>(panel, units, b);
    for (int part = 0; part < PARTS; part++) {
      const auto all = heads.of<FORMAT, WideFloats>(part, 0, LANES);
      float* const scales = out + PANEL * part;
      store_wide(scales, all.scale[0]);
      store_wide(scales + LANES, all.scale[1]);
      if constexpr (has_offset(FORMAT)) {
        store_wide(scales + PANEL * PARTS, all.offset[0]);
        store_wide(scales + PANEL * PARTS + LANES, all.offset[1]);
      }
    }
  }
}

}  // namespace llmworker
