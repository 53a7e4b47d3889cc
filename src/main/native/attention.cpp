#include "attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "simd.h"

namespace llmworker {

namespace {

// Positions are divided into pieces of this many. Each piece has a softmax of its own, and `join` combines them. Scores stay in
// the L1 cache, and a single long sequence gives work to all threads.
constexpr int PIECE = KvCache::PIECE;
// Queries that are multiplied with a piece of keys and values together.
constexpr int TILE = 4;
// Rows of a prompt that share a task, so that keys and values are read once for all of them.
constexpr int PROMPT_ROWS = 8;

// The result of a query and a piece: the largest score, the sum of e^(score - largest), and the values weighted with these.
struct Partial {
  float largest;
  float sum;
  float* values;
};

// The next queries of a key-value head of a slot, and for each the positions of the piece that it sees: from `unseen` on, up to
// `seen`, exclusive.
struct Queries {
  const float* q[TILE];
  int unseen[TILE];
  int seen[TILE];
  Partial* partials[TILE];
};

// Vectors of keys, or of values, that Q queries take at a time. Fewer than eight sums would wait for each other, and more than twelve
// would not fit into the registers.
constexpr int side_by_side(int q) { return q == 1 ? 8 : q <= 3 ? 4 : 2; }

// Calls f for all vectors of eight from `first` to `end`, N at a time, with the first number and N as a constant. N is MOST until fewer
// are left, then half of it, and so on.
template <int MOST, typename F>
inline void vectors(int first, int end, F&& f) {
  for (; first + 8 * MOST <= end; first += 8 * MOST) f(first, std::integral_constant<int, MOST>());
  if constexpr (MOST > 1) vectors<MOST / 2>(first, end, f);
}

// Scores of Q queries with B times eight keys.
template <typename Number, int Q, int B>
inline void score(const Queries& queries, const Number* keys, int dim, float* scores) {
  F32x8 sums[Q * B];
#pragma GCC unroll 16
  for (int i = 0; i < Q * B; i++) sums[i] = F32x8{};
  for (int d = 0; d < dim; d++) {
    F32x8 q[Q];
#pragma GCC unroll 4
    for (int i = 0; i < Q; i++) q[i] = splat(queries.q[i][d]);
#pragma GCC unroll 8
    for (int b = 0; b < B; b++) {
      const F32x8 k = load8(keys + (b * dim + d) * KvCache::STRIDE);
#pragma GCC unroll 4
      for (int i = 0; i < Q; i++) sums[i * B + b] = multiply_add(k, q[i], sums[i * B + b]);
    }
  }
  for (int i = 0; i < Q; i++) {
    for (int b = 0; b < B; b++) store8(scores + i * PIECE + b * 8, sums[i * B + b]);
  }
}

// Bounds scores to cap · tanh(score / cap).
void bound(float* scores, int first, int count, float cap) {
  const F32x8 one = splat(1.0f), two = splat(2.0f), limit = splat(cap), factor = splat(2.0f / cap);
  for (int at = first; at < count; at += 8) {
    store8(scores + at, limit * (one - two / (exp8(load8(scores + at) * factor) + one)));
  }
}

// Turns the scores from `unseen` to `seen` into e^(score - largest) and the others from `first` on into 0.
void exponentials(float* scores, int first, int count, int unseen, int seen, Partial& partial) {
  const F32x8 below = splat(-INFINITY);
  F32x8 largest = below;
  for (int at = first; at < count; at += 8) {
    const F32x8 s = first_lanes(unseen - at, below, first_lanes(seen - at, load8(scores + at), below));
    store8(scores + at, s);
    largest = maximum(largest, s);
  }
  partial.largest = max8(largest);
  const F32x8 top = splat(partial.largest);
  F32x8 sum{};
  for (int at = first; at < count; at += 8) {
    const F32x8 e = exp8(load8(scores + at) - top);
    store8(scores + at, e);
    sum = sum + e;
  }
  partial.sum = sum8(sum);
}

// Values weighted with the scores of Q queries, for V times eight of their numbers.
template <typename Number, int Q, int V>
inline void weigh(const Queries& queries, const Number* values, int dim, int first, int count, const float* scores, int d) {
  F32x8 sums[Q * V];
#pragma GCC unroll 16
  for (int i = 0; i < Q * V; i++) sums[i] = F32x8{};
  for (int at = first; at < count; at++) {
    F32x8 weights[Q];
#pragma GCC unroll 4
    for (int i = 0; i < Q; i++) weights[i] = splat(scores[i * PIECE + at]);
#pragma GCC unroll 8
    for (int j = 0; j < V; j++) {
      const F32x8 v = load8(values + static_cast<size_t>(at) * dim + d + 8 * j);
#pragma GCC unroll 4
      for (int i = 0; i < Q; i++) sums[i * V + j] = multiply_add(v, weights[i], sums[i * V + j]);
    }
  }
  for (int i = 0; i < Q; i++) {
    for (int j = 0; j < V; j++) store8(queries.partials[i]->values + d + 8 * j, sums[i * V + j]);
  }
}

// Q queries over one piece. keys, values: of the piece's first position
template <typename Number, int Q>
void piece(const Queries& queries, const Number* keys, const Number* values, int dim, float cap) {
  float scores[Q * PIECE];
  const int most = *std::max_element(queries.seen, queries.seen + Q);
  const int first = *std::min_element(queries.unseen, queries.unseen + Q) / 8 * 8, count = (most + 7) / 8 * 8;
  constexpr int MOST = side_by_side(Q);
  vectors<MOST>(first, count, [&](int at, auto b) { score<Number, Q, b>(queries, keys + at * dim, dim, scores + at); });
  for (int i = 0; i < Q; i++) {
    if (cap > 0) bound(scores + i * PIECE, first, count, cap);
    exponentials(scores + i * PIECE, first, count, queries.unseen[i], queries.seen[i], *queries.partials[i]);
  }
  vectors<MOST>(0, dim, [&](int d, auto v) { weigh<Number, Q, v>(queries, values, dim, first, most, scores, d); });
}

// Queries as numbers of 16 bits, and the scale of each.
template <int Q>
struct WholeQueries {
  std::vector<int16_t>& numbers;  // [Q, dim]
  float scales[Q];

  WholeQueries(const Queries& queries, int dim, std::vector<int16_t>& memory) : numbers(memory) {
    constexpr float LARGEST = 32767.0f;
    numbers.resize(std::max(numbers.size(), static_cast<size_t>(Q) * dim));
    for (int i = 0; i < Q; i++) {
      F32x8 largest{}, zeros{};
      for (int d = 0; d < dim; d += 8) {
        const F32x8 q = load8(queries.q[i] + d);
        largest = maximum(largest, absolute(q));
        zeros = multiply_add(q, splat(0.0f), zeros);
      }
      // If a query is not finite, neither is its scale.
      scales[i] = max8(largest) / LARGEST + sum8(zeros);
      const F32x8 factor = splat(scales[i] > 0 ? 1.0f / scales[i] : 0.0f);
      for (int d = 0; d < dim; d += 8) {
        int16_t both[16];
        const I32x8 whole = to_integers(load8(queries.q[i] + d) * factor);
        store16(both, narrow(whole, whole));
        std::memcpy(numbers.data() + static_cast<size_t>(i) * dim + d, both, 16);
      }
    }
  }
};

// As `score`, with keys in bytes. keys: B blocks
template <int Q, int B>
inline void score_bytes(const WholeQueries<Q>& queries, const uint8_t* keys, int dim, float* scores) {
  constexpr int STRIDE = KvCache::STRIDE, GROUP = KvCache::GROUP;
  const size_t block = STRIDE * KvCache::position_bytes(CacheType::Q8, dim);
  const int8_t* const bytes = reinterpret_cast<const int8_t*>(keys);
  F32x8 sums[Q * B];
#pragma GCC unroll 8
  for (int i = 0; i < Q * B; i++) sums[i] = F32x8{};
  for (int first = 0; first < dim; first += GROUP) {
    I32x8 products[Q * B];
#pragma GCC unroll 8
    for (int i = 0; i < Q * B; i++) products[i] = I32x8{};
    const int end = std::min(dim, first + GROUP);
    for (int d = first; d < end; d += 2) {
      I16x16 k[B];
#pragma GCC unroll 4
      for (int b = 0; b < B; b++) k[b] = load_bytes(bytes + b * block + d * STRIDE);
#pragma GCC unroll 4
      for (int i = 0; i < Q; i++) {
        const I16x16 pair = splat_pair(queries.numbers.data() + static_cast<size_t>(i) * dim + d);
#pragma GCC unroll 4
        for (int b = 0; b < B; b++) products[i * B + b] = products[i * B + b] + pair_products(k[b], pair);
      }
    }
#pragma GCC unroll 4
    for (int b = 0; b < B; b++) {
      const F32x8 scale = load8(reinterpret_cast<const Half*>(keys + b * block + STRIDE * dim) + first / GROUP * STRIDE);
#pragma GCC unroll 4
      for (int i = 0; i < Q; i++) sums[i * B + b] = multiply_add(to_floats(products[i * B + b]), scale, sums[i * B + b]);
    }
  }
  for (int i = 0; i < Q; i++) {
    for (int b = 0; b < B; b++) store8(scores + i * PIECE + b * 8, sums[i * B + b] * splat(queries.scales[i]));
  }
}

// As `weigh`, with values in bytes. scores: already times the scales of the group of `d`
template <int Q, int V>
inline void weigh_bytes(const Queries& queries, const uint8_t* values, int dim, int first, int count, const float* scores, int d) {
  constexpr int STRIDE = KvCache::STRIDE;
  const size_t block = STRIDE * KvCache::position_bytes(CacheType::Q8, dim);
  F32x8 sums[Q * V];
#pragma GCC unroll 8
  for (int i = 0; i < Q * V; i++) sums[i] = F32x8{};
  for (int start = first / STRIDE * STRIDE; start < count; start += STRIDE) {
    const int8_t* const bytes = reinterpret_cast<const int8_t*>(values + start / STRIDE * block) + d;
    const int end = std::min(STRIDE, count - start);
    for (int p = 0; p < end; p++) {
      F32x8 v[V];
#pragma GCC unroll 4
      for (int j = 0; j < V; j++) v[j] = load8(bytes + p * dim + 8 * j);
#pragma GCC unroll 4
      for (int i = 0; i < Q; i++) {
        const F32x8 weight = splat(scores[i * PIECE + start + p]);
#pragma GCC unroll 4
        for (int j = 0; j < V; j++) sums[i * V + j] = multiply_add(v[j], weight, sums[i * V + j]);
      }
    }
  }
  for (int i = 0; i < Q; i++) {
    for (int j = 0; j < V; j++) store8(queries.partials[i]->values + d + 8 * j, sums[i * V + j]);
  }
}

// As `piece`, with a cache in bytes.
template <int Q>
void piece_of_bytes(const Queries& queries, const uint8_t* keys, const uint8_t* values, int dim, float cap) {
  static thread_local std::vector<int16_t> memory;
  constexpr int B = Q <= 2 ? 4 : 2, STRIDE = KvCache::STRIDE, GROUP = KvCache::GROUP;
  const size_t position = KvCache::position_bytes(CacheType::Q8, dim);
  float scores[Q * PIECE], scaled[Q * PIECE];
  const int most = *std::max_element(queries.seen, queries.seen + Q);
  const int first = *std::min_element(queries.unseen, queries.unseen + Q) / 8 * 8, count = (most + 7) / 8 * 8;
  const WholeQueries<Q> whole(queries, dim, memory);
  int at = first;
  for (; at + 8 * B <= count; at += 8 * B) score_bytes<Q, B>(whole, keys + at * position, dim, scores + at);
  for (; at < count; at += 8) score_bytes<Q, 1>(whole, keys + at * position, dim, scores + at);
  for (int i = 0; i < Q; i++) {
    if (cap > 0) bound(scores + i * PIECE, first, count, cap);
    exponentials(scores + i * PIECE, first, count, queries.unseen[i], queries.seen[i], *queries.partials[i]);
  }
  for (int d = 0; d < dim;) {
    if (d % GROUP == 0) {
      for (int start = first; start < count; start += STRIDE) {
        const F32x8 scale = load8(reinterpret_cast<const Half*>(values + start * position + STRIDE * dim) + d / GROUP * STRIDE);
        for (int i = 0; i < Q; i++) store8(scaled + i * PIECE + start, load8(scores + i * PIECE + start) * scale);
      }
    }
    if (d + 16 <= dim) {
      weigh_bytes<Q, 2>(queries, values, dim, first, most, scaled, d);
      d += 16;
    } else {
      weigh_bytes<Q, 1>(queries, values, dim, first, most, scaled, d);
      d += 8;
    }
  }
}

void tile_of_bytes(const Queries& queries, int count, const uint8_t* keys, const uint8_t* values, int dim, float cap, int first) {
  const size_t skipped = first * KvCache::position_bytes(CacheType::Q8, dim);
  switch (count) {
    case 1: return piece_of_bytes<1>(queries, keys + skipped, values + skipped, dim, cap);
    case 2: return piece_of_bytes<2>(queries, keys + skipped, values + skipped, dim, cap);
    case 3: return piece_of_bytes<3>(queries, keys + skipped, values + skipped, dim, cap);
    default: return piece_of_bytes<4>(queries, keys + skipped, values + skipped, dim, cap);
  }
}

template <typename Number>
void tile(const Queries& queries, int count, const uint8_t* keys, const uint8_t* values, int dim, float cap, int first) {
  const size_t skipped = static_cast<size_t>(first) * dim;
  const Number* k = reinterpret_cast<const Number*>(keys) + skipped;
  const Number* v = reinterpret_cast<const Number*>(values) + skipped;
  switch (count) {
    case 1: return piece<Number, 1>(queries, k, v, dim, cap);
    case 2: return piece<Number, 2>(queries, k, v, dim, cap);
    case 3: return piece<Number, 3>(queries, k, v, dim, cap);
    default: return piece<Number, 4>(queries, k, v, dim, cap);
  }
}

// Combines the pieces of one query. sink: the score that adds nothing; -infinity: none
void join(const Partial* partials, int pieces, float sink, int dim, float* out) {
  float largest = std::max(sink, partials[0].largest);
  for (int i = 1; i < pieces; i++) largest = std::max(largest, partials[i].largest);
  float sum = 0;
  for (int d = 0; d < dim; d += 8) store8(out + d, F32x8{});
  for (int i = 0; i < pieces; i++) {
    const float factor = std::exp(partials[i].largest - largest);
    sum += factor * partials[i].sum;
    const F32x8 factors = splat(factor);
    for (int d = 0; d < dim; d += 8) {
      store8(out + d, multiply_add(load8(partials[i].values + d), factors, load8(out + d)));
    }
  }
  if (sink > -INFINITY) sum += std::exp(sink - largest);
  const F32x8 whole = splat(sum);
  for (int d = 0; d < dim; d += 8) store8(out + d, load8(out + d) / whole);
}

// The first position that a token sees.
int first_seen(const Attention& attention, const Place& place) {
  return attention.window == 0 ? 0 : std::max(0, place.position + 1 - attention.window);
}

// Behind the last position that it sees.
int end_seen(const Attention& attention, const Place& place) {
  if (!attention.bidirectional) return place.position + 1;
  return attention.window == 0 ? place.end : std::min(place.end, place.position + attention.window);
}

// Behind the last piece that it sees.
int end_piece(const Attention& attention, const Place& place) { return (end_seen(attention, place) - 1) / PIECE + 1; }

// Rows with neighbouring positions of a sequence, or one row, and the pieces that some of them see. partials: index of the first
// partial result of their queries.
struct Run {
  int first;
  int rows;
  int first_piece;
  int pieces;
  size_t partials;
};

std::vector<Run> runs(const std::vector<Place>& places, const Attention& attention) {
  std::vector<Run> found;
  size_t partials = 0;
  const int n = static_cast<int>(places.size());
  for (int i = 0; i < n;) {
    int end = i + 1;
    while (end < n && end - i < PROMPT_ROWS && places[end].slot == places[i].slot &&
           places[end].position == places[end - 1].position + 1) {
      end++;
    }
    const int first_piece = first_seen(attention, places[i]) / PIECE;
    const int pieces = end_piece(attention, places[end - 1]) - first_piece;
    found.push_back({i, end - i, first_piece, pieces, partials});
    partials += static_cast<size_t>(end - i) * attention.heads * pieces;
    i = end;
  }
  return found;
}

}  // namespace

void attend(const KvCache& cache, int layer, const Attention& attention, const std::vector<Place>& places, const float* q,
            int stride, float* out, Threads& threads) {
  static thread_local std::vector<Partial> partials;
  static thread_local std::vector<float> values;
  const int heads = attention.heads, kv_heads = attention.kv_heads, dim = attention.dim;
  const std::vector<Run> all = runs(places, attention);
  const Run& last = all.back();
  const size_t count = last.partials + static_cast<size_t>(last.rows) * heads * last.pieces;
  if (partials.size() < count) partials.resize(count);
  if (values.size() < count * dim) values.resize(count * dim);
  Partial* const found = partials.data();
  float* const found_values = values.data();
  const int group = heads / kv_heads;

  // A task is a run, a key-value head and a piece.
  std::vector<int> starts(all.size() + 1, 0);
  for (size_t r = 0; r < all.size(); r++) starts[r + 1] = starts[r] + all[r].pieces * kv_heads;
  threads.run(starts.back(), [&](int task) {
    const size_t r = std::upper_bound(starts.begin(), starts.end(), task) - starts.begin() - 1;
    const Run& run = all[r];
    const int head = (task - starts[r]) / run.pieces, at = (task - starts[r]) % run.pieces;
    const int slot = places[run.first].slot, begin = (run.first_piece + at) * PIECE, kept = begin % cache.positions(layer);
    const uint8_t *keys = cache.keys(layer, slot, head), *its_values = cache.values(layer, slot, head);
    Queries queries;
    int filled = 0;
    const auto flush = [&] {
      if (filled == 0) return;
      switch (cache.type()) {
        case CacheType::F32: tile<float>(queries, filled, keys, its_values, dim, attention.cap, kept); break;
        case CacheType::F16: tile<Half>(queries, filled, keys, its_values, dim, attention.cap, kept); break;
        case CacheType::BF16: tile<Bfloat>(queries, filled, keys, its_values, dim, attention.cap, kept); break;
        case CacheType::Q8: tile_of_bytes(queries, filled, keys, its_values, dim, attention.cap, kept); break;
      }
      filled = 0;
    };
    for (int row = run.first; row < run.first + run.rows; row++) {
      const int seen = std::min(PIECE, end_seen(attention, places[row]) - begin);
      const int unseen = std::max(0, first_seen(attention, places[row]) - begin);
      if (unseen >= seen) continue;
      for (int h = head * group; h < (head + 1) * group; h++) {
        const size_t place = run.partials + (static_cast<size_t>(row - run.first) * heads + h) * run.pieces + at;
        found[place].values = found_values + place * dim;
        queries.q[filled] = q + static_cast<size_t>(row) * stride + static_cast<size_t>(h) * dim;
        queries.unseen[filled] = unseen;
        queries.seen[filled] = seen;
        queries.partials[filled] = found + place;
        if (++filled == TILE) flush();
      }
    }
    flush();
  });

  threads.run(static_cast<int>(all.size()), [&](int r) {
    const Run& run = all[r];
    for (int row = 0; row < run.rows; row++) {
      const Place& place = places[run.first + row];
      const int first = first_seen(attention, place) / PIECE, pieces = end_piece(attention, place) - first;
      for (int h = 0; h < heads; h++) {
        const size_t query = static_cast<size_t>(row) * heads + h;
        const Partial* const its = found + run.partials + query * run.pieces + (first - run.first_piece);
        const float sink = attention.sinks == nullptr ? -INFINITY : attention.sinks[h];
        join(its, pieces, sink, dim, out + (static_cast<size_t>(run.first) * heads + query) * dim);
      }
    }
  });
}

}  // namespace llmworker
