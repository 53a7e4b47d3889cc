#include "matmul.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "heads.h"
#include "wide.h"

namespace llmworker {

namespace {

// Blocks of a panel that are unpacked to words at a time, at most. They take 12 KB and stay in the L1 cache.
constexpr int UNPACKED = 96 / LANES;
// The same if they are unpacked to bytes, or by each tile itself. The first tile leaves them in the L1 cache for the others.
constexpr int DIRECT_BLOCKS = 24;
// How many bytes before they are needed weights are loaded into the cache, if they are not unpacked first. The processor's own
// guesses end with each page of 4 KB.
constexpr int AHEAD = 8192;
// Blocks of a panel that all rows are multiplied with before the next ones, for products of bytes. They are not unpacked.
constexpr int BYTE_BLOCKS = 32;
constexpr int PAIRS = BLOCK / 2;
// Columns are taken four at a time in products of bytes.
constexpr int BYTE_STEPS = BLOCK / 4;

// Calls f with the numbers 0 to N - 1 as constants, so that the arrays it indexes stay in registers.
template <int N, typename F>
[[gnu::always_inline]] inline void repeat(F&& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) { (f(std::integral_constant<int, I>()), ...); }
  (std::make_integer_sequence<int, N>());
}

// How many of `left` blocks are taken next: at most `most`, and about as many each time.
constexpr int strip(int left, int most) {
  const int strips = (left + most - 1) / most;
  return (left + strips - 1) / strips;
}

// Up to this many rows, each tile unpacks the weights itself. tile: its rows. To join quants with their high bits takes longer.
constexpr int direct(Format format, int tile) { return high_bits(format) > 0 ? tile : DIRECT; }

constexpr int pairs_a_word(Format format) { return has_nibbles(format) ? 4 : 2; }

// What the codes in the low halves of a word's bytes stand for, or those in the high ones.
inline WideWords numbers(WideWords word, bool high, U8x16 table) {
  return pick(table, low_nibbles(high ? shift_right(word, 4) : word));
}

// Shifts words of high bits so that those of step `step` are above the nibbles of their bytes. mask: all that is there then
template <Format FORMAT, typename Words>
[[gnu::always_inline]] inline Words above_nibbles(Words high, int step, Words mask) {
  const int at = high_bits(FORMAT) * step;
  return (at < 4 ? shift_left(high, 4 - at) : shift_right(high, at - 4)) & mask;
}

// What a format with high bits has above the nibbles of two bytes.
constexpr int16_t high_mask(Format format) { return static_cast<int16_t>(((1 << high_bits(format)) - 1) * 0x1010); }
// Where the word of high bits of a block, or half block, begins.
constexpr int high_at(Format format) { return 4 * PANEL * (BLOCK / 8) / scales_a_block(format); }

// Step `step` of a block, or half block: four columns of LANES rows as unsigned bytes.
template <Format FORMAT>
[[gnu::always_inline]] inline WideWords unsigned_bytes(const uint8_t* words, int step) {
  const WideWords eight = load_wide(words + 4 * PANEL * (step / 2));
  const WideWords nibbles = low_nibbles(step % 2 == 0 ? eight : shift_right(eight, 4));
  if constexpr (high_bits(FORMAT) == 0) return nibbles;
  return nibbles | above_nibbles<FORMAT>(load_wide(words + high_at(FORMAT)), step, splat_word_wide(high_mask(FORMAT)));
}

// Pair number `pair` of the columns in a block, or half block, of LANES rows, as 16-bit numbers. words: of the first of these rows;
// table: of codes
template <Format FORMAT>
[[gnu::always_inline]] inline WideWords unpack(const uint8_t* words, int pair, U8x16 table) {
  const WideWords word = load_wide(words + 4 * PANEL * (pair / pairs_a_word(FORMAT)));
  const int step = pair % pairs_a_word(FORMAT);
  if constexpr (high_bits(FORMAT) > 0) {
    const WideWords bytes = unsigned_bytes<FORMAT>(words, pair / 4 * 2 + pair % 2);
    return (pair % 4 < 2 ? lowest_bits(bytes, 8) : shift_right(bytes, 8)) + splat_word_wide(-subtracted(FORMAT));
  } else if constexpr (has_codes(FORMAT)) {
    const WideWords bytes = numbers(word, step % 2 == 1, table);
    return shift_right_signed(step < 2 ? shift_left(bytes, 8) : bytes, 8);
  } else if (has_nibbles(FORMAT)) {
    return lowest_bits(shift_right(word, 4 * step), 4);
  } else {
    return shift_right_signed(step == 0 ? shift_left(word, 8) : word, 8);
  }
}

// Results of T rows of activations and a panel. They are local variables of a product, because GCC makes faster code of those than of
// numbers behind a pointer. It is recursive as `Sums` is.
template <int T>
struct Results {
  WideFloats low, high;
  Results<T - 1> others;

  [[gnu::always_inline]] void load(const float* from) {
    low = load_wide(from);
    high = load_wide(from + LANES);
    others.load(from + PANEL);
  }

  // Adds sums of the first row of activations times the panel's scales, and its offsets, if there are any, times `total`.
  template <bool OFFSET>
  [[gnu::always_inline]] void add(WideFloats low_sums, WideFloats high_sums, const Heads<WideFloats>& heads, float total) {
    low = multiply_add(low_sums, heads.scale[0], low);
    high = multiply_add(high_sums, heads.scale[1], high);
    if constexpr (OFFSET) {
      low = multiply_add(heads.offset[0], splat_wide(total), low);
      high = multiply_add(heads.offset[1], splat_wide(total), high);
    }
  }

  [[gnu::always_inline]] void store(float* to) const {
    store_wide(to, low);
    store_wide(to + LANES, high);
    others.store(to + PANEL);
  }
};

template <>
struct Results<0> {
  void load(const float*) {}
  void store(float*) const {}
};

// Sums over a block of T rows of activations times a panel. A recursive structure, because GCC would keep arrays in memory.
template <int T>
struct Sums {
  WideIntegers low{}, high{};
  Sums<T - 1> others;

  // Adds two columns of the panel, `first_rows` and `other_rows`, times those at `columns` of the first row of activations;
  // the next ones are `stride` apart.
  [[gnu::always_inline]] void add(WideWords first_rows, WideWords other_rows, const int16_t* columns, size_t stride) {
    const WideWords both = splat_pair_wide(columns);
    low = add_pair_products(low, first_rows, both);
    high = add_pair_products(high, other_rows, both);
    // Otherwise the compiler would compute products of other rows early and run out of registers.
    compute_now(low, high);
    others.add(first_rows, other_rows, columns + stride, stride);
  }

  // Starts with the integers at `numbers`, one for each row of activations.
  [[gnu::always_inline]] void start(const int32_t* numbers, size_t stride) {
    low = high = splat_integer_wide(*numbers);
    others.start(numbers + stride, stride);
  }

  [[gnu::always_inline]] void add(const Sums& more) {
    low = low + more.low;
    high = high + more.high;
    others.add(more.others);
  }

  // Adds the sums, times the panel's scales and the activations' at `scales`, to the results. If the format has offsets, it also adds
  // these times the activations' sums at `totals`.
  template <bool OFFSET>
  [[gnu::always_inline]] void settle(const Heads<WideFloats>& heads, const float* scales, const float* totals, size_t stride,
                                     Results<T>& results) const {
    const WideFloats scale = splat_wide(*scales);
    results.template add<OFFSET>(to_floats(low) * scale, to_floats(high) * scale, heads, *totals);
    others.template settle<OFFSET>(heads, scales + stride, totals + stride, stride, results.others);
  }
};

template <>
struct Sums<0> {
  void add(WideWords, WideWords, const int16_t*, size_t) {}
  void start(const int32_t*, size_t) {}
  void add(const Sums&) {}
  template <bool OFFSET>
  void settle(const Heads<WideFloats>&, const float*, const float*, size_t, Results<0>&) const {}
};

// N sums that do not wait for each other. They are of integers, so their total is the same for any N.
template <int T, int N>
struct Chains {
  Sums<T> first;
  Chains<T, N - 1> others;

  [[gnu::always_inline]] void add(int chain, WideWords first_rows, WideWords other_rows, const int16_t* columns, size_t stride) {
    if constexpr (N > 1) {
      if (chain > 0) return others.add(chain - 1, first_rows, other_rows, columns, stride);
    }
    first.add(first_rows, other_rows, columns, stride);
  }

  [[gnu::always_inline]] const Sums<T>& total() {
    if constexpr (N > 1) first.add(others.total());
    return first;
  }
};

template <int T>
struct Chains<T, 0> {};

// Adds the products of pairs of columns of a block, or of part of it, to sums. words: of the block, or the output of `unpack_blocks`
// if READY
template <Format FORMAT, bool READY, int STEP = 0, int T, int CHAINS>
[[gnu::always_inline]] inline void add_pairs(Chains<T, CHAINS>& products, const uint8_t* words, U8x16 table, const int16_t* columns,
                                             size_t stride) {
  if constexpr (STEP < PAIRS / scales_a_block(FORMAT)) {
    constexpr int BYTES = 4 * PANEL, OTHERS = 4 * LANES;
    // With high bits, two pairs that follow each other come of the same bytes.
    constexpr int PAIR = high_bits(FORMAT) > 0 ? STEP / 4 * 4 + STEP % 2 * 2 + STEP % 4 / 2 : STEP;
    WideWords a, b;
    if constexpr (READY) {
      a = load_wide(words + BYTES * PAIR);
      b = load_wide(words + BYTES * PAIR + OTHERS);
    } else {
      a = unpack<FORMAT>(words, PAIR, table);
      b = unpack<FORMAT>(words + OTHERS, PAIR, table);
    }
    products.add(STEP % CHAINS, a, b, columns + 2 * PAIR, stride);
    add_pairs<FORMAT, READY, STEP + 1>(products, words, table, columns, stride);
  }
}

// What T rows of activations have for blocks of a panel, or for halves of them. Those of the next row are `blocks` further.
struct WordRows {
  const int16_t* columns;
  size_t stride;
  const int32_t* centres;
  const float* scales;
  const float* totals;
  size_t blocks;
};

// Adds the products of block b, or of its half number `part`, to results. words: as above
template <Format FORMAT, int T, bool READY, typename BlockHeads>
[[gnu::always_inline]] inline void word_part(const uint8_t* words, const BlockHeads& heads, int part, U8x16 table, const WordRows& x,
                                             int b, Results<T>& results) {
  Chains<T, std::min(chains(T), pairs_a_word(FORMAT))> products;
  if constexpr (FORMAT == Format::Q4_CENTRED) products.first.start(x.centres + b, x.blocks);
  add_pairs<FORMAT, READY>(products, words, table, x.columns + BLOCK * b, x.stride);
  const auto all = heads.template of<FORMAT, WideFloats>(part, 0, LANES);
  products.total().template settle<has_offset(FORMAT)>(all, x.scales + b, x.totals + b, x.blocks, results);
}

// Multiplies T rows of activations, from row `first` on, with `count` blocks of a panel, from block `from` on, and adds the
// products to `results` [T, PANEL]. ahead: as many blocks that are loaded into the cache meanwhile, or null; unpacked, numbers: the
// output of `unpack_blocks` and `unpack_heads` if READY; otherwise the blocks are unpacked here, and `numbers` are the panel's units.
// Not part of the caller, where GCC would keep sums in memory.
template <Format FORMAT, int T, bool READY>
[[gnu::noinline]] void panel_product(const uint8_t* panel, const float* numbers, const int16_t* unpacked, const uint8_t* ahead,
                                       U8x16 table, const RoundedRows& x, int first, int from, int count, float* results) {
  constexpr int HALF_BYTES = PANEL * (READY ? 2 * BLOCK : quant_bytes(FORMAT)) / 2;
  const size_t blocks = x.columns() / BLOCK;
  const WordRows whole{x.quants(first), x.stride(), x.centres(first), x.scales(first), x.sums(first), blocks};
  WordRows low = whole, high = whole;
  low.totals = x.half_sums(0, first);
  high.totals = x.half_sums(1, first);
  high.columns += BLOCK / 2;
  const uint8_t* words = READY ? reinterpret_cast<const uint8_t*>(unpacked) : panel;
  Results<T> sums;
  sums.load(results);
  for (int b = from; b < from + count; b++, panel += block_bytes(FORMAT)) {
    if (ahead != nullptr) {
      load_ahead(ahead, block_bytes(FORMAT));
      ahead += block_bytes(FORMAT);
    }
    const auto heads = block_heads<FORMAT, READY>(panel, numbers, from, b);
    if constexpr (scales_a_block(FORMAT) == 1) {
      word_part<FORMAT, T, READY>(words, heads, 0, table, whole, b, sums);
    } else {
      word_part<FORMAT, T, READY>(words, heads, 0, table, low, b, sums);
      word_part<FORMAT, T, READY>(words + HALF_BYTES, heads, 1, table, high, b, sums);
    }
    words += READY ? 2 * PANEL * BLOCK : block_bytes(FORMAT);
  }
  sums.store(results);
}

// Unpacks blocks of a panel to 16-bit numbers, [16 pairs of columns, PANEL rows, 2].
template <Format FORMAT>
void unpack_blocks(const uint8_t* panel, U8x16 table, int count, int16_t* out) {
  constexpr int PARTS = scales_a_block(FORMAT), PART_BYTES = PANEL * quant_bytes(FORMAT) / PARTS;
  for (int b = 0; b < count; b++, panel += block_bytes(FORMAT)) {
    for (int part = 0; part < PARTS; part++) {
      const uint8_t* const words = panel + PART_BYTES * part;
#pragma GCC unroll 16
      for (int pair = 0; pair < PAIRS / PARTS; pair++, out += 2 * PANEL) {
        store_wide_aligned(out, unpack<FORMAT>(words, pair, table));
        store_wide_aligned(out + PANEL, unpack<FORMAT>(words + 4 * LANES, pair, table));
      }
    }
  }
}

// Multiplies T rows of activations with a panel of plain numbers. Stores the results [T, PANEL].
template <typename Number, int T>
inline void plain_product(const uint8_t* panel, const Activations& x, int first, float* results) {
  const Number* w = reinterpret_cast<const Number*>(panel);
  const float* values[T];
  WideFloats low[T], high[T];
  for (int t = 0; t < T; t++) {
    values[t] = x.plain(first + t);
    low[t] = high[t] = WideFloats{};
  }
  const int columns = x.columns();
  for (int column = 0; column < columns; column++, w += PANEL) {
    const WideFloats a = load_wide(w), c = load_wide(w + LANES);
#pragma GCC unroll 16
    for (int t = 0; t < T; t++) {
      const WideFloats value = splat_wide(values[t][column]);
      low[t] = multiply_add(a, value, low[t]);
      high[t] = multiply_add(c, value, high[t]);
    }
  }
  for (int t = 0; t < T; t++) {
    store_wide(results + PANEL * t, low[t]);
    store_wide(results + PANEL * t + LANES, high[t]);
  }
}

void store(float* out, const float* sums, float scale, int rows, bool add) {
  int i = 0;
  for (; i + 8 <= rows; i += 8) {
    const F32x8 scaled = load8(sums + i) * splat(scale);
    store8(out + i, add ? load8(out + i) + scaled : scaled);
  }
  for (; i < rows; i++) out[i] = add ? out[i] + sums[i] * scale : sums[i] * scale;
}

// Stores the results [n, PANEL] of a panel and of n rows of the product from `first` on. x: their scales; null: 1
void store(const Product& p, int panel, int first, int n, const float* results, const RoundedRows* x) {
  const int rows = std::min(PANEL, p.w->rows() - panel * PANEL);
  for (int i = 0; i < n; i++, results += PANEL) {
    const float scale = x == nullptr ? 1.0f : x->row_scale(p.first + first + i);
    store(p.out + static_cast<size_t>(first + i) * p.stride + panel * PANEL, results, scale, rows, p.add);
  }
}

template <Format FORMAT, int T>
void plain_tile(const Product& p, int panel, int first) {
  alignas(64) float results[T * PANEL];
  if constexpr (FORMAT == Format::F32) {
    plain_product<float, T>(p.w->panel(panel), *p.x, p.first + first, results);
  } else if (FORMAT == Format::F16) {
    plain_product<Half, T>(p.w->panel(panel), *p.x, p.first + first, results);
  } else {
    plain_product<Bfloat, T>(p.w->panel(panel), *p.x, p.first + first, results);
  }
  store(p, panel, first, T, results, nullptr);
}

// Divides n rows into as few tiles of at most MOST rows as possible, of about the same size: a small tile takes longer for each of
// its rows. Calls `tile` for each, with its number of rows as a constant.
template <int MOST, typename Tile>
[[gnu::always_inline]] inline void tiles(int n, Tile&& tile) {
  for (int first = 0, left = (n + MOST - 1) / MOST; left > 0; left--) {
    const int size = (n - first + left - 1) / left;
    repeat<MOST>([&](auto before) {
      if (size == before + 1) tile(std::integral_constant<int, before + 1>(), first);
    });
    first += size;
  }
}

// ---- Products of bytes. Only instruction sets with panels of 16 rows have them.

static_assert(!BYTE_PRODUCTS || PANEL == 16);

// The order of the columns in `RoundedRows::halves`: of eight the high halves, and then the low ones.
constexpr std::array<uint8_t, 16> halves_order(bool nibbles) {
  std::array<uint8_t, 16> order{};
  for (int i = 0; i < 8; i++) {
    const int column = nibbles ? NIBBLE_COLUMNS[i % 4 * 2 + i / 4] : BYTE_COLUMNS[i % 4] + i / 4 * 4;
    order[i] = static_cast<uint8_t>(column);
    order[8 + i] = static_cast<uint8_t>(8 + column);
  }
  return order;
}

constexpr std::array<uint8_t, 16> HALVES_ORDER[2] = {halves_order(false), halves_order(true)};

// The order of 16 columns in `RoundedRows::bytes`.
constexpr std::array<uint8_t, 16> bytes_order(bool nibbles) {
  std::array<uint8_t, 16> order{};
  for (int i = 0; i < 16; i++) order[i] = static_cast<uint8_t>(halves_order(nibbles)[i % 8] + i / 8 * 8);
  return order;
}

constexpr std::array<uint8_t, 16> BYTES_ORDER[2] = {bytes_order(false), bytes_order(true)};

// Eight columns of eight rows as signed bytes: of each row four columns, and the next four.
struct Octet {
  I16x16 first, others;
};

// Number i of a block, or half block, that begins at `words`.
template <Format FORMAT>
inline Octet octet(const uint8_t* words, int i, U8x16 table) {
  if constexpr (has_nibbles(FORMAT)) {
    const I16x16 nibbles = load_words(words + 64 * i), low = splat_word(0x0F0F);
    const Octet quants{nibbles & low, shift_right(nibbles, 4) & low};
    if constexpr (has_codes(FORMAT)) return {pick(table, quants.first), pick(table, quants.others)};
    if constexpr (high_bits(FORMAT) > 0) {
      const I16x16 high = load_words(words + high_at(FORMAT)), mask = splat_word(high_mask(FORMAT));
      return {add_bytes(quants.first | above_nibbles<FORMAT>(high, 2 * i, mask), -subtracted(FORMAT)),
              add_bytes(quants.others | above_nibbles<FORMAT>(high, 2 * i + 1, mask), -subtracted(FORMAT))};
    }
    return quants;
  } else {
    const I16x16 first = load_words(words + 128 * i), others = load_words(words + 128 * i + 64);
    return {first, others};
  }
}

// Sums over a block of T rows of activations times GROUPS times eight rows of a panel. It is recursive as `Sums` is.
// Each: ByteSums or WholeByteSums
template <typename Each, int T, int GROUPS>
struct ByteTile {
  Each low, high;
  ByteTile<Each, T - 1, GROUPS> others;

  [[gnu::always_inline]] void add(const Octet (&weights)[2], const uint8_t* columns, size_t stride) {
    low.add(weights[0].first, weights[0].others, columns);
    if constexpr (GROUPS == 2) high.add(weights[1].first, weights[1].others, columns);
    others.add(weights, columns + stride, stride);
  }

  // As Sums::settle. added: [T], integers that all sums lack, FACTOR times.
  template <bool OFFSET, int FACTOR>
  [[gnu::always_inline]] void settle(const Heads<F32x8>& heads, const float* scales, const float* totals, const int32_t* added,
                                     size_t stride, float* results) const {
    settle_eight<OFFSET, FACTOR>(low, heads.scale[0], heads.offset[0], *scales, *totals, *added, results);
    if constexpr (GROUPS == 2) {
      settle_eight<OFFSET, FACTOR>(high, heads.scale[1], heads.offset[1], *scales, *totals, *added, results + 8);
    }
    others.template settle<OFFSET, FACTOR>(heads, scales + stride, totals + stride, added + stride, stride, results + PANEL);
  }

 private:
  template <bool OFFSET, int FACTOR>
  [[gnu::always_inline]] static void settle_eight(const Each& sums, F32x8 scale, F32x8 offset, float its_scale,
                                                  float total, int32_t added, float* results) {
    I32x8 all = sums.total();
    if constexpr (FACTOR != 0) all = all + splat_integer(FACTOR * added);
    F32x8 result = multiply_add(to_floats(all) * splat(its_scale), scale, load8(results));
    if constexpr (OFFSET) result = multiply_add(offset, splat(total), result);
    store8(results, result);
  }
};

template <typename Each, int GROUPS>
struct ByteTile<Each, 0, GROUPS> {
  void add(const Octet (&)[2], const uint8_t*, size_t) {}
  template <bool OFFSET, int FACTOR>
  void settle(const Heads<F32x8>&, const float*, const float*, const int32_t*, size_t, float*) const {}
};

// As panel_product, for GROUPS times eight rows of the panel, from number `group` on.
template <typename Each, Format FORMAT, int T, int GROUPS, bool WHOLE>
void byte_product(const uint8_t* panel, const float* units, U8x16 table, int group, const RoundedRows& x, int first, int from,
                  int count, float* results) {
  constexpr int PARTS = scales_a_block(FORMAT), OCTETS = BLOCK / 8 / PARTS, PART_BYTES = PANEL * quant_bytes(FORMAT) / PARTS;
  constexpr int ACTIVATION_BYTES = WHOLE ? 1 : 2;
  const size_t stride = WHOLE ? x.stride() : 2 * static_cast<size_t>(x.columns()), blocks = x.columns() / BLOCK;
  constexpr bool NIBBLES = has_nibbles(FORMAT);
  const uint8_t* columns = WHOLE ? reinterpret_cast<const uint8_t*>(x.bytes(NIBBLES, first)) : x.halves(NIBBLES, first);
  columns += from * ACTIVATION_BYTES * BLOCK;
  const float* scales = x.scales(first) + from;
  const int32_t* added = x.totals(first) + from;
  results += 8 * group;
  for (int b = 0; b < count; b++, scales++, added++, panel += block_bytes(FORMAT)) {
    const HeadBytes heads = head_bytes_of<FORMAT>(panel, units, from + b);
    for (int part = 0; part < PARTS; part++) {
      const uint8_t* const words = panel + PART_BYTES * part + 32 * group;
      ByteTile<Each, T, GROUPS> tile;
#pragma GCC unroll 4
      for (int i = 0; i < OCTETS; i++, columns += 8 * ACTIVATION_BYTES) {
        Octet weights[2] = {octet<FORMAT>(words, i, table), {}};
        if constexpr (GROUPS == 2) weights[1] = octet<FORMAT>(words + 32, i, table);
        tile.add(weights, columns, stride);
      }
      const auto all = heads.of<FORMAT, F32x8>(part, 8 * group, 8 * (group + GROUPS - 1));
      const float* totals = (PARTS == 1 ? x.sums(first) : x.half_sums(part, first)) + from + b;
      constexpr int FACTOR = FORMAT == Format::Q4_CENTRED ? -subtracted(FORMAT) : 0;
      tile.template settle<has_offset(FORMAT), FACTOR>(all, scales, totals, added, blocks, results);
    }
  }
}

// Adds the products of all rows with a panel to `results` [rows, 16].
template <typename Each, Format FORMAT, bool WHOLE>
void byte_panel(const Product& p, const RoundedRows& x, const uint8_t* panel, const float* units, U8x16 table, float* results) {
  const int blocks = x.columns() / BLOCK;
  for (int from = 0; from < blocks; from += BYTE_BLOCKS, panel += BYTE_BLOCKS * block_bytes(FORMAT)) {
    const int count = std::min(BYTE_BLOCKS, blocks - from);
    tiles<TILE>(p.rows, [&](auto t, int first) {
      // The sums of two rows of activations and a panel fill the registers, and so do those of four rows and half a panel.
      constexpr int GROUPS = t <= 2 ? 2 : 1;
      for (int group = 0; group < 2; group += GROUPS) {
        float* const to = results + first * PANEL;
        byte_product<Each, FORMAT, t, GROUPS, WHOLE>(panel, units, table, group, x, p.first + first, from, count, to);
      }
    });
  }
}

// Does so if the CPU and the rows have such products.
template <Format FORMAT>
bool byte_panel_if(const Product& p, const RoundedRows& x, const uint8_t* panel, const float* units, U8x16 table, float* results) {
  if constexpr (BYTE_PRODUCTS) {
    if constexpr (gains_from_bytes(FORMAT)) {
      if (x.are_bytes()) {
        byte_panel<WholeByteSums<Products::DOTS>, FORMAT, true>(p, x, panel, units, table, results);
        return true;
      }
    }
    switch (x.products()) {
      case Products::DOTS: byte_panel<ByteSums<Products::DOTS>, FORMAT, false>(p, x, panel, units, table, results); return true;
      case Products::BLOCKS: byte_panel<ByteSums<Products::BLOCKS>, FORMAT, false>(p, x, panel, units, table, results); return true;
      case Products::WORDS:
      case Products::PAIRS: break;
    }
  }
  return false;
}

// ---- Products of unsigned bytes of weights with signed ones of activations.
//
// A sum of products of a block, or half block, with quants of both signs fits into 16 bits: `subtracted` in matrix.h says why. The
// bytes are unsigned, and what that adds is subtracted first. Additions may pass the limits of 16 bits on the way, since they wrap
// around.

// The sums of T rows of activations. It is recursive as `Sums` is.
template <int T>
struct PairSums {
  WideWords low, high;
  PairSums<T - 1> others;

  // centres: two numbers of 16 bits
  [[gnu::always_inline]] void start(const int32_t* centres, size_t stride) {
    low = high = splat_pair_wide(reinterpret_cast<const int16_t*>(centres));
    others.start(centres + stride, stride);
  }

  // As Sums::add, of four columns. FIRST: nothing was added before
  template <bool FIRST>
  [[gnu::always_inline]] void add(WideWords first_rows, WideWords other_rows, const int8_t* columns, size_t stride) {
    const WideWords four = splat_pair_wide(reinterpret_cast<const int16_t*>(columns));
    const WideWords a = byte_pair_products(first_rows, four), b = byte_pair_products(other_rows, four);
    low = FIRST ? a : low + a;
    high = FIRST ? b : high + b;
    compute_now(low, high);
    others.template add<FIRST>(first_rows, other_rows, columns + stride, stride);
  }

  // As Sums::settle. multiples: as RoundedRows::multiples
  template <bool OFFSET>
  [[gnu::always_inline]] void settle(const Heads<WideFloats>& heads, const int32_t* multiples, const float* totals, size_t stride,
                                     Results<T>& results) const {
    const WideWords multiple = splat_pair_wide(reinterpret_cast<const int16_t*>(multiples));
    results.template add<OFFSET>(to_floats(pair_products(low, multiple)), to_floats(pair_products(high, multiple)), heads, *totals);
    others.template settle<OFFSET>(heads, multiples + stride, totals + stride, stride, results.others);
  }
};

template <>
struct PairSums<0> {
  void start(const int32_t*, size_t) {}
  template <bool FIRST>
  void add(WideWords, WideWords, const int8_t*, size_t) {}
  template <bool OFFSET>
  void settle(const Heads<WideFloats>&, const int32_t*, const float*, size_t, Results<0>&) const {}
};

// Adds the products of a block, or of part of it, to sums. words: of the block, or the output of `unpack_bytes` if READY
template <Format FORMAT, bool READY, bool FIRST, int STEP = 0, int T>
[[gnu::always_inline]] inline void add_steps(PairSums<T>& pairs, const uint8_t* words, const int8_t* columns, size_t stride) {
  if constexpr (STEP < BYTE_STEPS / scales_a_block(FORMAT)) {
    WideWords first_rows, other_rows;
    if constexpr (READY) {
      first_rows = load_wide(words + 4 * PANEL * STEP);
      other_rows = load_wide(words + 4 * PANEL * STEP + 4 * LANES);
    } else {
      first_rows = unsigned_bytes<FORMAT>(words, STEP);
      other_rows = unsigned_bytes<FORMAT>(words + 4 * LANES, STEP);
    }
    pairs.template add<FIRST>(first_rows, other_rows, columns + 4 * STEP, stride);
    add_steps<FORMAT, READY, false, STEP + 1>(pairs, words, columns, stride);
  }
}

// What T rows of activations have for blocks of a panel, or for halves of them. Those of the next row are `blocks` further.
struct PairRows {
  const int8_t* columns;
  size_t stride;
  const int32_t* centres;
  const int32_t* multiples;
  const float* totals;
  size_t blocks;
};

// As word_part.
template <Format FORMAT, int T, bool READY, typename BlockHeads>
[[gnu::always_inline]] inline void pair_part(const uint8_t* words, const BlockHeads& heads, int part, const PairRows& x, int b,
                                             Results<T>& results) {
  constexpr bool CENTRED = subtracted(FORMAT) > 0;
  PairSums<T> pairs;
  if constexpr (CENTRED) pairs.start(x.centres + b, x.blocks);
  const int8_t* const columns = x.columns + BLOCK * b;
  add_steps<FORMAT, READY, !CENTRED>(pairs, words, columns, x.stride);
  const auto all = heads.template of<FORMAT, WideFloats>(part, 0, LANES);
  pairs.template settle<has_offset(FORMAT)>(all, x.multiples + b, x.totals + b, x.blocks, results);
}

// As panel_product.
template <Format FORMAT, int T, bool READY>
[[gnu::noinline]] void pair_product(const uint8_t* panel, const float* numbers, const uint8_t* unpacked, const uint8_t* ahead,
                                    const RoundedRows& x, int first, int from, int count, float* results) {
  constexpr int PARTS = scales_a_block(FORMAT), HALF_BYTES = PANEL * (READY ? BLOCK : quant_bytes(FORMAT)) / 2;
  const size_t blocks = x.columns() / BLOCK;
  const int8_t* const columns = x.bytes(has_nibbles(FORMAT), first);
  const int32_t* const centres = PARTS == 1 && subtracted(FORMAT) > 0 ? x.pair_centres(subtracted(FORMAT), first) : nullptr;
  const PairRows whole{columns, x.stride(), centres, x.multiples(first), x.sums(first), blocks};
  PairRows low = whole, high = whole;
  low.centres = x.half_pair_centres(0, first);
  low.totals = x.half_sums(0, first);
  high.centres = x.half_pair_centres(1, first);
  high.totals = x.half_sums(1, first);
  high.columns += BLOCK / 2;
  const uint8_t* words = READY ? unpacked : panel;
  Results<T> sums;
  sums.load(results);
  for (int b = from; b < from + count; b++, panel += block_bytes(FORMAT)) {
    if (ahead != nullptr) {
      load_ahead(ahead, block_bytes(FORMAT));
      ahead += block_bytes(FORMAT);
    }
    const auto heads = block_heads<FORMAT, READY>(panel, numbers, from, b);
    if constexpr (PARTS == 1) {
      pair_part<FORMAT, T, READY>(words, heads, 0, whole, b, sums);
    } else {
      pair_part<FORMAT, T, READY>(words, heads, 0, low, b, sums);
      pair_part<FORMAT, T, READY>(words + HALF_BYTES, heads, 1, high, b, sums);
    }
    words += READY ? PANEL * BLOCK : block_bytes(FORMAT);
  }
  sums.store(results);
}

// Unpacks blocks of a panel to unsigned bytes, [8 steps, PANEL rows, 4 columns].
template <Format FORMAT>
void unpack_bytes(const uint8_t* panel, int count, uint8_t* out) {
  constexpr int PARTS = scales_a_block(FORMAT), PART_BYTES = PANEL * quant_bytes(FORMAT) / PARTS;
  for (int b = 0; b < count; b++, panel += block_bytes(FORMAT)) {
    for (int part = 0; part < PARTS; part++) {
      const uint8_t* const words = panel + PART_BYTES * part;
#pragma GCC unroll 8
      for (int step = 0; step < BYTE_STEPS / PARTS; step++, out += 4 * PANEL) {
        store_wide_aligned(reinterpret_cast<int16_t*>(out), unsigned_bytes<FORMAT>(words, step));
        store_wide_aligned(reinterpret_cast<int16_t*>(out + 4 * LANES), unsigned_bytes<FORMAT>(words + 4 * LANES, step));
      }
    }
  }
}

// Adds the products of all rows with a panel to `results` [rows, PANEL], if the CPU and the rows have products of this kind.
template <Format FORMAT>
bool pair_panel_if(const Product& p, const RoundedRows& x, const uint8_t* panel, const float* units, float* results) {
  if constexpr (PAIR_PRODUCTS && gains_from_bytes(FORMAT)) {
    if (x.products() != Products::PAIRS) return false;
    alignas(64) uint8_t unpacked[DIRECT_BLOCKS * PANEL * BLOCK];
    alignas(64) float heads[DIRECT_BLOCKS * PANEL * heads_a_block(FORMAT)];
    const int blocks = x.columns() / BLOCK;
    for (int from = 0, count; from < blocks; from += count, panel += count * block_bytes(FORMAT)) {
      count = strip(blocks - from, DIRECT_BLOCKS);
      if (p.rows <= direct(FORMAT, PAIR_FEW)) {
        tiles<PAIR_FEW>(p.rows, [&](auto t, int first) {
          const uint8_t* const ahead = first == 0 ? panel + AHEAD : nullptr;
          pair_product<FORMAT, t, false>(panel, units, nullptr, ahead, x, p.first + first, from, count, results + first * PANEL);
        });
        continue;
      }
      unpack_bytes<FORMAT>(panel, count, unpacked);
      unpack_heads<FORMAT>(panel, units, from, count, heads);
      tiles<PAIR_TILE>(p.rows, [&](auto t, int first) {
        const uint8_t* const ahead = first == 0 ? panel + count * block_bytes(FORMAT) : nullptr;
        pair_product<FORMAT, t, true>(panel, heads, unpacked, ahead, x, p.first + first, from, count, results + first * PANEL);
      });
    }
    return true;
  }
  return false;
}

template <Format FORMAT>
void panel(const Product& p, int panel) {
  const int n = p.rows;
  if constexpr (!is_quantised(FORMAT)) {
    tiles<TILE>(n, [&](auto t, int first) { plain_tile<FORMAT, t>(p, panel, first); });
  } else {
    static thread_local std::vector<float> sums;
    alignas(64) int16_t unpacked[UNPACKED * PANEL * BLOCK];
    alignas(64) float heads[UNPACKED * PANEL * heads_a_block(FORMAT)];
    sums.assign(static_cast<size_t>(n) * PANEL, 0.0f);
    float* results = sums.data();
    const int blocks = p.x->columns() / BLOCK;
    const uint8_t* data = p.w->panel(panel);
    const float* const units = unpack_units<FORMAT>(*p.w, data);
    const U8x16 table = load16(reinterpret_cast<const uint8_t*>(p.w->table().data()));
    const RoundedRows& x = p.x->rounded(p.w->bits());
    if (pair_panel_if<FORMAT>(p, x, data, units, results) || byte_panel_if<FORMAT>(p, x, data, units, table, results)) {
      return store(p, panel, 0, n, results, &x);
    }
    for (int from = 0, count; from < blocks; from += count, data += count * block_bytes(FORMAT)) {
      count = strip(blocks - from, n <= direct(FORMAT, FEW) ? DIRECT_BLOCKS : UNPACKED);
      if (n <= direct(FORMAT, FEW)) {
        tiles<FEW>(n, [&](auto t, int first) {
          const uint8_t* const ahead = first == 0 ? data + AHEAD : nullptr;
          panel_product<FORMAT, t, false>(data, units, nullptr, ahead, table, x, p.first + first, from, count,
                                          results + first * PANEL);
        });
        continue;
      }
      unpack_blocks<FORMAT>(data, table, count, unpacked);
      unpack_heads<FORMAT>(data, units, from, count, heads);
      const uint8_t* next = data + count * block_bytes(FORMAT);
      tiles<TILE>(n, [&](auto t, int first) {
        panel_product<FORMAT, t, true>(data, heads, unpacked, first == 0 ? next : nullptr, table, x, p.first + first, from, count,
                                       results + first * PANEL);
      });
    }
    store(p, panel, 0, n, results, &x);
  }
}

void panel(const Product& p, int i) {
  switch (p.w->format()) {
    case Format::Q4: return panel<Format::Q4>(p, i);
    case Format::Q8: return panel<Format::Q8>(p, i);
    case Format::Q5: return panel<Format::Q5>(p, i);
    case Format::Q6_K: return panel<Format::Q6_K>(p, i);
    case Format::Q4_HALF_BLOCKS: return panel<Format::Q4_HALF_BLOCKS>(p, i);
    case Format::CODES: return panel<Format::CODES>(p, i);
    case Format::CODES_HALF_BLOCKS: return panel<Format::CODES_HALF_BLOCKS>(p, i);
    case Format::Q4_CENTRED: return panel<Format::Q4_CENTRED>(p, i);
    case Format::Q4_K: return panel<Format::Q4_K>(p, i);
    case Format::Q5_K: return panel<Format::Q5_K>(p, i);
    case Format::Q5_CENTRED: return panel<Format::Q5_CENTRED>(p, i);
    case Format::F32: return panel<Format::F32>(p, i);
    case Format::F16: return panel<Format::F16>(p, i);
    case Format::BF16: return panel<Format::BF16>(p, i);
  }
}

void check(const Product& p) {
  if (p.x->columns() != p.w->columns()) {
    throw std::invalid_argument("activations of " + std::to_string(p.x->columns()) +
                                " columns cannot be multiplied with a matrix of " + std::to_string(p.w->columns()));
  }
  if (p.first < 0 || p.rows < 0 || p.rows > p.x->rows() || p.first > p.x->rows() - p.rows) {
    throw std::out_of_range(std::to_string(p.rows) + " rows from row " + std::to_string(p.first) + " on are outside the " +
                            std::to_string(p.x->rows()) + " rows of activations");
  }
  if (is_quantised(p.w->format()) && !p.x->kinds().has(p.w->bits())) {
    throw std::logic_error(std::string("activations are not in ") + (p.w->bits() == Bits::EIGHT ? "8" : "16") +
                           " bits, as a matrix needs them");
  }
}

}  // namespace

Products fastest_products(Bits bits) {
  static const bool dots = can_multiply(Products::DOTS), blocks = can_multiply(Products::BLOCKS), pairs = can_multiply(Products::PAIRS);
  if (bits == Bits::SIXTEEN && blocks) return Products::BLOCKS;
  if (bits == Bits::EIGHT && pairs) return Products::PAIRS;
  return dots ? Products::DOTS : Products::WORDS;
}

void RoundedRows::resize(int n, int columns) {
  columns_ = columns;
  // Each by its own size: where memory ran out, those before it have grown.
  const auto grow = [](auto& values, size_t size) {
    if (values.size() < size) values.resize(size);
  };
  const size_t rows = static_cast<size_t>(n), blocks = rows * (columns / BLOCK);
  if (products_ == Products::WORDS) {
    grow(quants_, rows * stride());
  } else if (are_bytes()) {
    for (auto& bytes : bytes_) grow(bytes, rows * stride());
  } else {
    for (auto& halves : halves_) grow(halves, 2 * rows * columns);
  }
  grow(totals_, blocks);
  grow(centres_, blocks);
  grow(scales_, blocks);
  grow(sums_, blocks);
  for (auto& sums : half_sums_) grow(sums, blocks);
  grow(multiples_, blocks);
  for (auto& centres : pair_centres_) grow(centres, blocks);
  for (auto& centres : half_pair_centres_) grow(centres, blocks);
  grow(row_scales_, rows);
}

// Sets and returns the scale of a row.
float RoundedRows::scale_row(int row, const float* values) {
  row_scales_[row] = 1.0f;
  if (bits_ == Bits::EIGHT) {
    F32x8 largest{};
    const int rounded = columns_ / BLOCK * BLOCK;
    for (int i = 0; i < rounded; i += 8) largest = maximum(largest, absolute(load8(values + i)));
    const float most = max8(largest);
    row_scales_[row] = most > 1e-25f ? most / (127.0f * LARGEST_MULTIPLE) : 0.0f;
  }
  return row_scales_[row];
}

// Of a block whose largest value is `most`. A tiny value counts as zero, because its inverse would be infinite.
RoundedRows::Scale RoundedRows::scale_block(float most, float row_scale) const {
  if (bits_ == Bits::SIXTEEN) {
    return most > 1e-30f ? Scale{most / LARGEST_ACTIVATION, LARGEST_ACTIVATION / most} : Scale{0.0f, 0.0f};
  }
  if (row_scale == 0.0f) return {0.0f, 0.0f};
  const float multiple = std::min(std::ceil(most / (127.0f * row_scale)), static_cast<float>(LARGEST_MULTIPLE));
  return multiple > 0 ? Scale{multiple, 1.0f / (multiple * row_scale)} : Scale{0.0f, 0.0f};
}

void RoundedRows::put(int row, const float* values) {
  const bool words = products_ == Products::WORDS;
  int16_t block[BLOCK];
  int16_t* out = words ? quants_.data() + row * stride() : block;
  const size_t first = static_cast<size_t>(row) * (columns_ / BLOCK);
  const float row_scale = scale_row(row, values);
  for (int b = 0; b < columns_ / BLOCK; b++, values += BLOCK, out += words ? BLOCK : 0) {
    F32x8 v[4], largest{}, zeros{};
    for (int i = 0; i < 4; i++) {
      v[i] = load8(values + 8 * i);
      largest = maximum(largest, absolute(v[i]));
      zeros = multiply_add(v[i], F32x8{}, zeros);
    }
    const auto [scale, factor] = scale_block(max8(largest), row_scale);
    I32x8 q[4];
    for (int i = 0; i < 4; i++) q[i] = to_integers(v[i] * splat(factor));
    for (int i = 0; i < 4; i += 2) store16(out + 8 * i, narrow(q[i], q[i + 1]));
    // Whole, and small enough for a float. NaN if a value is infinite or NaN: then so is every product of the block.
    const float halves[2] = {sum8(to_floats(q[0] + q[1]) + zeros), sum8(to_floats(q[2] + q[3]))};
    const float total = halves[0] + halves[1];
    const bool finite = total == total;
    scales_[first + b] = finite ? scale : total;
    if (!finite && bits_ == Bits::EIGHT) row_scales_[row] = total;
    sums_[first + b] = scale * total;
    for (const int i : {0, 1}) half_sums_[i][first + b] = scale * halves[i];
    totals_[first + b] = finite ? static_cast<int32_t>(total) : 0;
    centres_[first + b] = -8 * totals_[first + b];
    if (are_bytes()) {
      multiples_[first + b] = static_cast<int32_t>(scale) * 0x10001;
      put_bytes(row, b, block);
      put_pairs(first + b, block);
    } else if (!words) {
      put_halves(row, b, block);
    }
  }
}

void RoundedRows::put_bytes(int row, int block, const int16_t* quants) {
  if constexpr (BYTE_PRODUCTS || PAIR_PRODUCTS) {
    for (const bool nibbles : {false, true}) {
      auto* const out = reinterpret_cast<uint8_t*>(bytes_[nibbles].data() + row * stride() + static_cast<size_t>(block) * BLOCK);
      const U8x16 order = load16(BYTES_ORDER[nibbles].data());
      for (int i = 0; i < BLOCK; i += 16) store16(out + i, pick(narrow(load16(quants + i)), order));
    }
  }
}

// Adds up the even and the odd columns of block number `at`.
void RoundedRows::put_pairs(size_t at, const int16_t* quants) {
  if constexpr (PAIR_PRODUCTS) {
    static constexpr int16_t EVEN[2] = {1, 0}, ODD[2] = {0, 1};
    const auto pair = [](int even, int odd) { return static_cast<int32_t>((even & 0xFFFF) | static_cast<uint32_t>(odd) << 16); };
    int even[2], odd[2];
    for (const int half : {0, 1}) {
      const I16x16 numbers = load16(quants + 16 * half);
      even[half] = static_cast<int>(sum8(to_floats(pair_products(numbers, splat_pair(EVEN)))));
      odd[half] = static_cast<int>(sum8(to_floats(pair_products(numbers, splat_pair(ODD)))));
      half_pair_centres_[half][at] = pair(-32 * even[half], -32 * odd[half]);
    }
    for (const int i : {0, 1}) pair_centres_[i][at] = pair(-(8 << i) * (even[0] + even[1]), -(8 << i) * (odd[0] + odd[1]));
  }
}

// Splits a block for the products of bytes.
void RoundedRows::put_halves(int row, int block, const int16_t* quants) {
  if constexpr (BYTE_PRODUCTS) {
    const size_t at = static_cast<size_t>(row) * 2 * columns_ + static_cast<size_t>(block) * 2 * BLOCK;
    for (int i = 0; i < BLOCK; i += 8) {
      const U8x16 halves = split(quants + i);
      for (const bool nibbles : {false, true}) {
        store16(halves_[nibbles].data() + at + 2 * i, pick(halves, load16(HALVES_ORDER[nibbles].data())));
      }
    }
  }
}

void RoundedRows::copy(int row, const RoundedRows& from, int from_row) {
  const int blocks = columns_ / BLOCK;
  if (products_ == Products::WORDS) {
    std::copy_n(from.quants(from_row), columns_, quants_.data() + row * stride());
  } else if (are_bytes()) {
    for (const bool nibbles : {false, true}) {
      std::copy_n(from.bytes(nibbles, from_row), columns_, bytes_[nibbles].data() + row * stride());
    }
  } else {
    for (const bool nibbles : {false, true}) {
      const size_t bytes = 2 * static_cast<size_t>(columns_);
      std::copy_n(from.halves(nibbles, from_row), bytes, halves_[nibbles].data() + bytes * row);
    }
  }
  std::copy_n(from.totals(from_row), blocks, totals_.data() + static_cast<size_t>(row) * blocks);
  std::copy_n(from.centres(from_row), blocks, centres_.data() + static_cast<size_t>(row) * blocks);
  std::copy_n(from.scales(from_row), blocks, scales_.data() + static_cast<size_t>(row) * blocks);
  std::copy_n(from.sums(from_row), blocks, sums_.data() + static_cast<size_t>(row) * blocks);
  for (const int i : {0, 1}) {
    std::copy_n(from.half_sums(i, from_row), blocks, half_sums_[i].data() + static_cast<size_t>(row) * blocks);
    std::copy_n(from.half_pair_centres(i, from_row), blocks, half_pair_centres_[i].data() + static_cast<size_t>(row) * blocks);
    std::copy_n(from.pair_centres(8 << i, from_row), blocks, pair_centres_[i].data() + static_cast<size_t>(row) * blocks);
  }
  std::copy_n(from.multiples(from_row), blocks, multiples_.data() + static_cast<size_t>(row) * blocks);
  row_scales_[row] = from.row_scale(from_row);
}

void Activations::resize(int n, int columns, Kinds kinds) {
  rows_ = n;
  columns_ = columns;
  kinds_ = kinds;
  if (kinds.fine) fine_.resize(n, columns);
  if (kinds.coarse) coarse_.resize(n, columns);
  if (plain_.size() < static_cast<size_t>(n)) plain_.resize(n);
}

void Activations::put(int row, const float* values) {
  plain_[row] = values;
  if (kinds_.fine) fine_.put(row, values);
  if (kinds_.coarse) coarse_.put(row, values);
}

void Activations::copy(int row, const Activations& from, int from_row) {
  plain_[row] = from.plain(from_row);
  if (kinds_.fine) fine_.copy(row, from.fine_, from_row);
  if (kinds_.coarse) coarse_.copy(row, from.coarse_, from_row);
}

void multiply(std::span<const Product> products, Threads& threads) {
  // Where the panels of each product end, counted through.
  static thread_local std::vector<int> ends;
  ends.clear();
  int panels = 0;
  for (const Product& product : products) {
    check(product);
    ends.push_back(panels += product.w->panels());
  }
  // Other threads have an `ends` of their own.
  const std::span<const int> all(ends);
  threads.run_together(panels, [&](int i) {
    const size_t product = std::upper_bound(all.begin(), all.end(), i) - all.begin();
    panel(products[product], i - (product == 0 ? 0 : all[product - 1]));
  });
}

}  // namespace llmworker
