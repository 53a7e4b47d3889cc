"""Attention of decode steps to a pool of pages, for `dense_decoder.py`.

A row reads the pages of its own sequence, up to its own position. Each pair of a row and one of its pages is a piece. Attention
runs for all pieces at once, and gives the logarithm of the sum of each piece's exponentials beside its result. With these the
results of a row's pieces are put together exactly. So keys are split by page, and no row is padded to the longest.

On a GPU that has it, the flash kernel runs the pieces: of each the number of keys and where they begin in the pool is its own.
On other GPUs plain operators do the same arithmetic. On a CPU each row runs alone, without pieces: a call costs little there.

Shapes: n rows with m pieces; A query heads and G key-value heads of D values; P pages of the row that has most.
"""

from typing import List, NamedTuple, Optional, Tuple

import torch
from torch import Tensor

import kv_cache
from program import Layer


class Pieces(NamedTuple):
    """The pieces of some rows of a step. If rows have different numbers of pages, the last piece is empty and of no row."""

    first: int  # of the rows
    rows: int
    pages: int  # P
    even: bool  # all rows have P pieces
    partly: bool  # some pieces may be empty: there are several steps
    row_of: Tensor  # [m]
    before: Tensor  # [m], the position before the first one of the page
    bases: Tensor  # [m + 1], where in the pool the page begins, in positions
    begins: Tensor  # [rows], the piece of a row's first page
    padded: Tensor  # [m], places among rows · P
    piece_at: Tensor  # [rows · P], the pieces by these places; the empty one elsewhere


class Sight(NamedTuple):
    """What a kind of layers sees of pieces at some positions; on a CPU what it sees of rows."""

    flash: bool
    rows: List[List[int]]  # on a CPU, as `row_sights` gives them; else none
    queries: Tensor  # [m + 1] int32, where the queries of a piece begin
    offsets: Tensor  # [m + 1] int32, where its keys begin
    used: Tensor  # [m] int32, how many they are
    pages: Tensor  # [m]; on a CPU also behind the pieces
    lows: Tensor  # [m], the first key within the page
    ends: Tensor  # [m], that behind the last
    empty: Tensor  # [m] booleans; of no length if no piece is empty


def pieces_of(pages: Tensor, tables: Tensor, begins: Tensor) -> Tuple[List[Tensor], List[int]]:
    """The tensors of `Pieces`, on the host, with P and whether all rows have as many.

    pages: of each row [n]; tables: [n, …], their numbers; begins: added to `Pieces.begins`
    """
    n, most, total = pages.size(0), int(pages.max()), int(pages.sum())
    rows = torch.arange(n).repeat_interleave(pages)
    firsts = pages.cumsum(0) - pages
    index = torch.arange(total) - firsts.index_select(0, rows)
    bases = tables.reshape(-1).index_select(0, rows * tables.size(1) + index) * kv_cache.PAGE
    padded, before = rows * most + index, index * kv_cache.PAGE - 1
    piece_at = torch.full([n * most], total)
    piece_at.index_copy_(0, padded, torch.arange(total))
    none = torch.zeros([1], dtype=torch.int64)
    even = total == n * most
    if not even:
        # Its place is one that no piece has.
        nowhere = pages.argmin().view(1) * most + (most - 1)
        rows, bases, padded = torch.cat([rows, none]), torch.cat([bases, none]), torch.cat([padded, nowhere])
        before = torch.cat([before, none + kv_cache.BEHIND_ALL])
    return [rows, before, torch.cat([bases, none]), firsts + begins, padded, piece_at], [most, int(even)]


def cells_of(p: Pieces, positions: Tensor) -> Tensor:
    """Where in the pool rows write at their positions: [rows]."""
    at = p.begins + positions.div(kv_cache.PAGE, rounding_mode="floor")
    return p.bases.index_select(0, at) + positions % kv_cache.PAGE


def to_rows(p: Pieces, numbers: Tensor, dtype: torch.dtype) -> Tensor:
    """[rows, m]: 1 for the pieces of a row. numbers: 0, 1, …"""
    if p.pages == 1:
        return numbers[:0]
    return (p.row_of.unsqueeze(0) == numbers[: p.rows].unsqueeze(1)).to(dtype)


def sight_of(
    p: Pieces, positions: Tensor, window: int, queries: int, flash: bool, paged: bool, by_row: bool
) -> Sight:
    """queries: of each piece and key head; paged: whether such layers keep pages at all; by_row: on a CPU"""
    none = positions[:0]
    no_rows: List[List[int]] = []
    if not paged:
        return Sight(False, no_rows, none, none, none, none, none, none, none)
    if by_row and not flash:
        pages = p.bases.div(kv_cache.PAGE, rounding_mode="floor")
        return Sight(False, row_sights(p, positions, window), none, none, none, pages, none, none, none)
    at = positions if p.pages == 1 else positions.index_select(0, p.row_of)
    behind = at - p.before
    ends = behind.clamp(0, kv_cache.PAGE)
    lows, used, offsets = none, ends, p.bases
    if window > 0:
        lows = (behind - window).clamp(0, kv_cache.PAGE)
        used = ends - lows
        offsets = torch.cat([lows, none.new_zeros([1])]).add_(offsets)
    empty = used <= 0 if p.partly or window > 0 or not p.even else none
    if not flash:
        pages = p.bases.narrow(0, 0, used.size(0)).div(kv_cache.PAGE, rounding_mode="floor")
        return Sight(False, no_rows, none, none, none, pages, lows, ends, empty)
    m = used.size(0)
    begins = torch.arange(0, (m + 1) * queries, queries, dtype=torch.int32, device=positions.device)
    return Sight(True, no_rows, begins, offsets.int(), used.int(), none, none, none, empty)


def row_sights(p: Pieces, positions: Tensor, window: int) -> List[List[int]]:
    """What rows see at their positions, on the host: of each the piece with its first key, how many pieces there are from
    there on, the key within the first, the number of keys, and where in the pool they begin. That is -1 if the pages do not
    follow each other."""
    bases: List[int] = p.bases.tolist()
    row_of: List[int] = p.row_of.tolist()
    ends: List[int] = positions.tolist()
    # A piece of no row may be the last one.
    pieces = len(row_of) - (0 if p.even else 1)
    found: List[List[int]] = []
    piece = 0
    for row in range(p.rows):
        first = piece
        while piece < pieces and row_of[piece] == row:
            piece += 1
        # An idle row has a position behind its page.
        end = min(ends[row] + 1, (piece - first) * kv_cache.PAGE)
        low = max(0, end - window) if window > 0 else 0
        first += low // kv_cache.PAGE
        low, count = low % kv_cache.PAGE, end - low
        seen = (low + count + kv_cache.PAGE - 1) // kv_cache.PAGE
        follow = True
        for other in range(first + 1, first + seen):
            follow = follow and bases[other] == bases[other - 1] + kv_cache.PAGE
        found.append([first, seen, low, count, bases[first] + low if follow else -1])
    return found


def attend_to_pieces(
    qk: Tensor,
    keys: Tensor,
    values: Tensor,
    p: Pieces,
    sight: Sight,
    rows_of: Tensor,
    d: Layer,
    sinks: Optional[Tensor],
    in_order: bool,
) -> Tensor:
    """Queries of rows to the pool: [rows, A · D].

    qk: [rows, A or A + G, D]. The flash kernel takes keys behind the queries as one more query of each key head, because
        to take them out would be a copy; what it makes of them is left out
    keys, values: [pages, PAGE, G, D]; rows_of: as `to_rows` gives it; sinks: [G, A / G, 1]
    in_order: a row's result must be the same whatever other rows there are
    """
    groups, dim = d.kv_heads, d.head_dim
    if len(sight.rows) > 0:
        q = qk.narrow(1, 0, d.heads).reshape(p.rows, -1, groups, dim)
        out, lse = row_by_row(q, keys, values, sight, d.scale, d.cap)
        return with_sinks(out, lse, sinks).reshape(p.rows, -1)
    own = qk if p.pages == 1 else qk.index_select(0, p.row_of)
    m = own.size(0)
    if sight.flash:
        flat = own.reshape(-1, groups, dim)
        out, lse = flash_pieces(flat, keys.flatten(0, 1), values.flatten(0, 1), sight, flat.size(0) // m, d.scale)
        out, lse = out.view(m, -1, groups, dim), lse.view(groups, m, -1)
    else:
        own = own.narrow(1, 0, d.heads).reshape(m, -1, groups, dim)
        out, lse = plain_pieces(own, keys, values, sight, d.scale, d.cap)
    if p.pages > 1:
        lse = lse.masked_fill(sight.empty.view(1, -1, 1), float("-inf")) if sight.empty.size(0) > 0 else lse
        padded = lse if p.even else lse.index_select(1, p.piece_at)
        padded = padded.view(groups, p.rows, p.pages, -1)
        out = added_in_order(out, padded, p) if in_order else added(out, padded, p, rows_of)
        if sinks is not None:
            lse = padded.logsumexp(2)
    if sinks is not None:
        out, lse = out.narrow(1, 0, d.heads // groups), lse.narrow(2, 0, d.heads // groups)
    return with_sinks(out, lse, sinks).reshape(p.rows, -1).narrow(1, 0, d.heads * dim)


def with_sinks(out: Tensor, lse: Tensor, sinks: Optional[Tensor]) -> Tensor:
    """What is left of results [rows, A / G, G, D] if sinks [G, A / G, 1] take their share. lse: [G, rows, A / G]"""
    if sinks is None:
        return out
    return out * lse.sub(sinks.view(sinks.size(0), 1, -1)).sigmoid().permute(1, 2, 0).unsqueeze(3)


def added(out: Tensor, lse: Tensor, p: Pieces, rows_of: Tensor) -> Tensor:
    """Puts the results of each row's pieces together: from out [m, queries, G, D] and lse [G, rows, P, queries] makes
    [rows, queries, G, D]. One product adds the pieces of all rows."""
    weights = lse.softmax(2).view(lse.size(0), -1, lse.size(3))
    if not p.even:
        weights = weights.index_select(1, p.padded)
    out.mul_(weights.permute(1, 2, 0).unsqueeze(3))
    return torch.mm(rows_of, out.view(out.size(0), -1)).view(-1, out.size(1), out.size(2), out.size(3))


def added_in_order(out: Tensor, lse: Tensor, p: Pieces) -> Tensor:
    """As `added`, one page after the other. What other rows have adds zeros, which change no bit."""
    weights = (lse - lse.amax(2, True)).exp().permute(1, 2, 3, 0).contiguous()
    at = p.piece_at.view(p.rows, p.pages)
    total = torch.zeros_like(weights[:, 0])
    sum = torch.zeros([p.rows, out.size(1), out.size(2), out.size(3)], device=out.device)
    for page in range(p.pages):
        own = out.index_select(0, at[:, page]).float()
        weight = weights[:, page]
        total = total + weight
        sum = sum + own * weight.unsqueeze(3)
    return sum / total.unsqueeze(3)


def plain_pieces(
    q: Tensor, keys: Tensor, values: Tensor, sight: Sight, scale: float, cap: float
) -> Tuple[Tensor, Tensor]:
    """q [m, A / G, G, D] to the pages of pieces: results of that shape, and the logarithms [G, m, A / G] float32."""
    m, places = q.size(0), torch.arange(kv_cache.PAGE, device=q.device)
    out = torch.empty([m, q.size(1), q.size(2), q.size(3)], dtype=q.dtype, device=q.device)
    lse = torch.empty([q.size(2), m, q.size(1)], device=q.device)
    for first in range(0, m, kv_cache.PLAIN_PIECES):
        count = min(kv_cache.PLAIN_PIECES, m - first)
        pages = sight.pages.narrow(0, first, count)
        k, v = keys.index_select(0, pages).transpose(1, 2), values.index_select(0, pages).transpose(1, 2)
        scores = torch.matmul(q.narrow(0, first, count).transpose(1, 2), k.transpose(2, 3)).float().mul_(scale)
        if cap > 0.0:
            scores = scores.div_(cap).tanh_().mul_(cap)
        unseen = places >= sight.ends.narrow(0, first, count).view(-1, 1, 1, 1)
        if sight.lows.size(0) > 0:
            unseen = unseen.logical_or_(places < sight.lows.narrow(0, first, count).view(-1, 1, 1, 1))
        # Finite, so that an empty piece is too.
        scores = scores.masked_fill_(unseen, -30000.0)
        lse.narrow(1, first, count).copy_(scores.logsumexp(3).transpose(0, 1))
        out.narrow(0, first, count).copy_(torch.matmul(scores.softmax(3).to(q.dtype), v).transpose(1, 2))
    return out, lse


def row_by_row(
    q: Tensor, keys: Tensor, values: Tensor, sight: Sight, scale: float, cap: float
) -> Tuple[Tensor, Tensor]:
    """q [rows, A / G, G, D] to all that each row sees: results of that shape, and the logarithms [G, rows, A / G] float32.
    Keys are copied only if the row's pages do not follow each other."""
    flat_keys, flat_values = keys.flatten(0, 1), values.flatten(0, 1)
    out = torch.empty([q.size(0), q.size(2), q.size(1), q.size(3)], dtype=q.dtype)
    lse = torch.empty([q.size(0), q.size(2), q.size(1)])
    for row in range(q.size(0)):
        first, pieces, low, count, begin = sight.rows[row]
        if begin >= 0:
            k, v = flat_keys.narrow(0, begin, count), flat_values.narrow(0, begin, count)
        else:
            pages = sight.pages.narrow(0, first, pieces)
            k = keys.index_select(0, pages).flatten(0, 1).narrow(0, low, count)
            v = values.index_select(0, pages).flatten(0, 1).narrow(0, low, count)
        own, k, v = q.select(0, row).transpose(0, 1), k.transpose(0, 1), v.transpose(0, 1)
        if cap > 0.0:
            scores = torch.bmm(own, k.transpose(1, 2)).float().mul_(scale / cap).tanh_().mul_(cap)
            lse.select(0, row).copy_(scores.logsumexp(2))
            out.select(0, row).copy_(torch.bmm(scores.softmax(2).to(q.dtype), v))
        else:
            found, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                own.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0), 0.0, False, attn_mask=None, scale=scale
            )
            lse.select(0, row).copy_(sums[0])
            out.select(0, row).copy_(found[0])
    return out.transpose(1, 2), lse.transpose(0, 1)


# PyTorch's flash kernel. It is an internal operator, so `flash_agrees` compares it with plain ones before it is used.


def flash_pieces(
    q: Tensor, keys: Tensor, values: Tensor, sight: Sight, queries: int, scale: float
) -> Tuple[Tensor, Tensor]:
    """q [m · queries, G, D] to keys and values [positions, G, D]: results of q's shape, and the logarithms
    [G, m · queries] float32. What it says of an empty piece is no number to go on with."""
    out, lse, _seed, _offset, _debug = torch.ops.aten._flash_attention_forward(
        q,
        keys,
        values,
        sight.queries,
        sight.offsets,
        queries,
        kv_cache.PAGE,
        0.0,
        False,
        False,
        scale=scale,
        window_size_left=None,
        window_size_right=None,
        seqused_k=sight.used,
        alibi_slopes=None,
    )
    return out, lse


def flash_causal(q: Tensor, k: Tensor, v: Tensor, scale: float, window: int) -> Tuple[Tensor, Tensor]:
    """The last queries of a sequence, q [1, n, A, D], to its keys and values [1, length, G, D]. Each sees those up to its
    own, or a window of them. Heads of a group are beside each other. Results [1, n, A, D], logarithms [1, A, n]."""
    left: Optional[int] = window - 1 if window > 0 else None
    right: Optional[int] = 0 if window > 0 else None
    out, lse, _seed, _offset, _debug = torch.ops.aten._flash_attention_forward(
        q,
        k,
        v,
        None,
        None,
        q.size(1),
        k.size(1),
        0.0,
        window == 0,
        False,
        scale=scale,
        window_size_left=left,
        window_size_right=right,
        seqused_k=None,
        alibi_slopes=None,
    )
    return out, lse


def trial_layer(heads: int, kv_heads: int, dim: int) -> Layer:
    return Layer(
        heads, kv_heads, dim, 0, 0, -1, -1, dim**-0.5, 0.0, 0.0, 1, "none", False, False, 0, 0, False, "before", 1.0, "silu", 0,
        0, 0, False, False, 1.0, 0,
    )  # fmt: skip


def flash_agrees(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether the flash kernel gives what plain operators give: for rows of 1 to 4 pages that are mixed up in the pool,
    without and with a window, and for the end of a prompt."""
    groups, dim = 2, 64
    d = trial_layer(3 * groups, groups, dim)
    keys, values = torch.randn([2, 12, kv_cache.PAGE, groups, dim], device=device).to(dtype).unbind(0)
    qk = torch.randn([4, 4 * groups, dim], device=device).to(dtype)
    positions = torch.tensor([700, 3, 1023, 256])
    tables = torch.tensor([[9, 2, 5, 0], [7, 0, 0, 0], [3, 11, 1, 8], [6, 4, 0, 0]])
    sent, numbers = pieces_of(positions.div(kv_cache.PAGE, rounding_mode="floor") + 1, tables, torch.zeros_like(positions))
    sent = [part.to(device) for part in sent]
    a, b, c = sent[0], sent[1], sent[2]
    p = Pieces(0, 4, numbers[0], numbers[1] > 0, False, a, b, c, sent[3], sent[4], sent[5])
    rows_of, at = to_rows(p, torch.arange(4, device=device), dtype), positions.to(device)
    agrees = True
    for window in [0, 300]:
        plain, flash = sight_of(p, at, window, 3, False, True, False), sight_of(p, at, window, 4, True, True, False)
        expected = attend_to_pieces(qk, keys, values, p, plain, rows_of, d, None, False)
        agrees = agrees and close(expected, attend_to_pieces(qk, keys, values, p, flash, rows_of, d, None, False))
        k, v, n = keys.view(-1, groups, dim)[:700], values.view(-1, groups, dim)[:700], 130
        q = torch.randn([1, n, 3 * groups, dim], device=device).to(dtype)
        out, _lse = flash_causal(q, k.unsqueeze(0), v.unsqueeze(0), d.scale, window)
        last = torch.arange(700 - n, 700, device=device).view(-1, 1)
        place = torch.arange(700, device=device)
        seen = (place <= last).logical_and(place > last - (window if window > 0 else 700))
        scores = torch.matmul(q[0].transpose(0, 1).float(), k.float().repeat_interleave(3, 1).permute(1, 2, 0)).mul_(d.scale)
        weights = scores.masked_fill_(seen.logical_not(), -30000.0).softmax(2)
        of_heads = torch.matmul(weights, v.float().repeat_interleave(3, 1).transpose(0, 1)).transpose(0, 1)
        agrees = agrees and close(of_heads, out[0])
    return agrees


def close(expected: Tensor, found: Tensor) -> bool:
    return bool((expected.float() - found.float()).abs().max().lt(0.02))
