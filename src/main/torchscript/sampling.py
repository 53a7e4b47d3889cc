"""From logits to token ids. The token of a row depends on its own logits, parameters and uniform number alone.

A token is drawn by the inverse of the cumulated probabilities. Probabilities p are not normalised: the likeliest token
has 1. Draws are exact over the whole vocabulary.

A row whose logits are NaN or infinite gets -2 instead of a token. The worker then ends its request with an error.
"""

from typing import NamedTuple, Tuple

import torch
from torch import Tensor


class Sampling(NamedTuple):
    """How the next token of each of n rows is chosen. The tensors are [n]."""

    temperature: Tensor  # 0 is greedy
    top_k: Tensor  # 0 is all
    top_p: Tensor
    min_p: Tensor
    uniform: Tensor  # a random number from 0 to 1, exclusive
    any_sampled: bool  # whether some row has a temperature above 0
    any_filtered: bool  # whether such a row has top_k, top_p or min_p


def first_above(cumulated: Tensor, target: Tensor) -> Tensor:
    """The first index in each row of `cumulated` [n, m] whose value is above `target` [n, 1]. If rounding brought the
    target up to the row's total, it is moved below it: an entry of probability 0 is never drawn."""
    below_total = cumulated[:, -1:] * (1.0 - 2.0**-22)
    return (cumulated <= torch.minimum(target, below_total)).sum(1, keepdim=True)


def odds(logits: Tensor, largest: Tensor, temperature: Tensor) -> Tensor:
    """How likely tokens are beside one whose logit is `largest`."""
    x = (logits - largest).div_(temperature)
    # On a CPU, libtorch uses MKL's exp. It is 4 to 30 times slower if the result is nearly 0. That is common with formats and
    # at low temperatures.
    log2_e = 1.4426950408889634
    return x.exp_() if x.is_cuda else x.mul_(log2_e).exp2_()


def with_failures(tokens: Tensor, largest: Tensor) -> Tensor:
    """Tokens [n], and -2 for a row whose largest logit [n] is not finite. NaN counts as larger than all numbers."""
    # A finite number times 0 is 0, another one NaN, which does not equal 0.
    return tokens.masked_fill(largest.mul(0.0) != 0.0, -2)


def probabilities(logits: Tensor, largest: Tensor, temperature: Tensor) -> Tensor:
    """Of logits [n, V], the largest of each row [n, 1], at temperature [n, 1], in blocks: [n, V / 64, 64], the last one
    filled up with 0."""
    p = odds(logits, largest, temperature)
    rest = p.size(1) % 64
    if rest > 0:
        p = torch.nn.functional.pad(p, [0, 64 - rest])
    return p.view(p.size(0), -1, 64)


def draw(p: Tensor, blocks: Tensor, uniform: Tensor) -> Tensor:
    """Tokens [n, 1] from p [n, b, 64] and the cumulated sums of its blocks [n, b], uniform [n, 1] in [0, 1).

    In two levels, of 64 tokens at a time: adding up 50,000 numbers one by one would be the slow part.
    """
    target = uniform * blocks[:, -1:]
    block = first_above(blocks, target)
    before = torch.where(block > 0, blocks.gather(1, (block - 1).clamp_min(0)), torch.zeros_like(target))
    inside = p.gather(1, block.unsqueeze(2).expand(-1, -1, 64)).squeeze(1).cumsum(1)
    return block * 64 + first_above(inside, target - before)


def next_uniform(uniform: Tensor) -> Tensor:
    """Another number of 24 bits for each one: the mixing steps of a 32-bit hash (Wellons' lowbias32)."""
    x = (uniform * 16777216.0).long() + 0x9E3779B9
    x = (x.bitwise_xor(x.bitwise_right_shift(16)) * 0x7FEB352D).bitwise_and(0xFFFFFFFF)
    x = (x.bitwise_xor(x.bitwise_right_shift(15)) * 0x846CA68B).bitwise_and(0xFFFFFFFF)
    x = x.bitwise_xor(x.bitwise_right_shift(16))
    return x.bitwise_and(0xFFFFFF).float() * (1.0 / 16777216.0)


def kept(p: Tensor, total: Tensor, token: Tensor, top_p: Tensor, min_p: Tensor) -> Tensor:
    """Whether top_p and min_p keep a token [n, 1] of p [n, b, 64]: whether those likelier than it are together less
    than top_p, and it is at least min_p as likely as the likeliest."""
    p = p.flatten(1)
    own = p.gather(1, token)
    likelier = (p * (p > own)).sum(1, keepdim=True)
    return (likelier < top_p * total) & (own >= min_p)


def redraw(
    p: Tensor, blocks: Tensor, chosen: Tensor, uniform: Tensor, top_p: Tensor, min_p: Tensor, rows: Tensor
) -> Tensor:
    """Draws again, in place of `chosen` [n, 1], for those of `rows` [m] whose token is not kept. The final tokens are
    distributed proportionally to p among the tokens that the filters keep.

    Returns the rows that still have no token after 16 draws: the filters keep little there.
    """
    for _attempt in range(16):
        some, own_p, own_blocks = chosen.index_select(0, rows), p, blocks
        if rows.size(0) < p.size(0):
            own_p, own_blocks = p.index_select(0, rows), blocks.index_select(0, rows)
        total = own_blocks[:, -1:]
        keep = kept(own_p, total, some, top_p.index_select(0, rows), min_p.index_select(0, rows)).squeeze(1)
        left = keep.logical_not().nonzero().squeeze(1)
        rows = rows.index_select(0, left)
        if rows.numel() == 0:
            break
        uniform = uniform.index_copy(0, rows, next_uniform(uniform.index_select(0, rows)))
        drawn = draw(own_p.index_select(0, left), own_blocks.index_select(0, left), uniform.index_select(0, rows))
        chosen.index_copy_(0, rows, drawn)
    return rows


def likeliest(logits: Tensor, count: int) -> Tuple[Tensor, Tensor]:
    """The `count` largest logits of each row, largest first, and their token ids.

    The largest 64 tokens lie in the 64 groups of the largest maxima: of groups of 64 that leaves 4,096 to sort instead of
    all; the largest 1,024 likewise, of groups of 16.
    """
    n, vocabulary = logits.size(0), logits.size(1)
    size = 64 if count <= 64 else 16
    if vocabulary % size != 0 or vocabulary <= 2 * count * size:
        return logits.topk(count, 1)
    groups = logits.view(n, -1, size)
    group = groups.amax(2).topk(count, 1)[1]
    values, where = groups.gather(1, group.unsqueeze(2).expand(-1, -1, size)).view(n, -1).topk(count, 1)
    in_group = where.remainder(size)
    return values, group.gather(1, (where - in_group).div(size, rounding_mode="trunc")) * size + in_group


def draw_ranked(
    p: Tensor, total: Tensor, top_k: Tensor, top_p: Tensor, min_p: Tensor, uniform: Tensor
) -> Tuple[Tensor, Tensor]:
    """Draws from the likeliest tokens p [n, count], largest first, of rows whose probabilities add up to `total` [n, 1].
    Of these, top_k keeps some; of the rest, top_p and min_p.

    Returns ranks [n, 1], and whether the candidates include every token that is kept.
    """
    count = p.size(1)
    cumulated = p.cumsum(1)
    limited = top_k > 0
    last = torch.where(limited, top_k, torch.full_like(top_k, count)).clamp_max(count) - 1
    reachable = torch.where(limited, cumulated.gather(1, last), total)
    ranks = torch.arange(count, device=p.device).unsqueeze(0)
    keep = (ranks <= last) & ((cumulated - p) < top_p * reachable)
    keep = (keep & (p >= min_p)) | (ranks == 0)
    kept_sum = cumulated.gather(1, keep.sum(1, keepdim=True) - 1)
    rank = first_above(torch.minimum(cumulated, kept_sum), uniform * kept_sum)
    # With fewer candidates than top_k it is not known yet what top_p is a part of.
    return rank, torch.where(limited, top_k <= count, keep[:, -1:].logical_not())


def choose_among_likeliest(
    logits: Tensor,
    temperature: Tensor,
    top_k: Tensor,
    top_p: Tensor,
    min_p: Tensor,
    uniform: Tensor,
    chosen: Tensor,
    rows: Tensor,
) -> None:
    """Draws `chosen` [n, 1] for `rows` [m] from the tokens that top_k, then top_p and min_p keep. It looks at 64
    candidates first, and at more only for rows that keep more."""
    vocabulary = logits.size(1)
    count = min(64, vocabulary)
    while rows.numel() > 0:
        l, heat, k = logits.index_select(0, rows), temperature.index_select(0, rows), top_k.index_select(0, rows)
        largest = l.amax(1, keepdim=True)
        total = odds(l, largest, heat).sum(1, keepdim=True)
        values, ids = likeliest(l, count)
        p = odds(values, largest, heat)
        least = min_p.index_select(0, rows)
        rank, complete = draw_ranked(p, total, k, top_p.index_select(0, rows), least, uniform.index_select(0, rows))
        chosen.index_copy_(0, rows, ids.gather(1, rank))
        if count == vocabulary:
            break
        rows = rows.index_select(0, complete.squeeze(1).logical_not().nonzero().squeeze(1))
        count = min(1024, vocabulary) if count < 1024 else vocabulary


class Draw(NamedTuple):
    """One draw for each row, before any filter."""

    sampled: Tensor  # [n], whether the row samples at all
    temperature: Tensor  # [n, 1], 1 in rows that do not
    uniform: Tensor  # [n, 1]
    p: Tensor  # [n, b, 64], as `probabilities` has it
    blocks: Tensor  # [n, b], the cumulated sums of the blocks
    tokens: Tensor  # [n, 1]


def draw_unfiltered(logits: Tensor, largest: Tensor, sampling: Sampling) -> Draw:
    sampled = sampling.temperature > 0
    heat = torch.where(sampled, sampling.temperature, torch.ones_like(sampling.temperature)).unsqueeze(1)
    uniform = sampling.uniform.unsqueeze(1)
    p = probabilities(logits, largest.unsqueeze(1), heat)
    blocks = p.sum(2).cumsum(1)
    return Draw(sampled, heat, uniform, p, blocks, draw(p, blocks, uniform))


def sample(logits: Tensor, sampling: Sampling) -> Tensor:
    """The next token of each row: ids [n] from logits [n, V]."""
    largest, greedy = logits.max(1)
    if not sampling.any_sampled:
        return with_failures(greedy, largest)
    first = draw_unfiltered(logits, largest, sampling)
    chosen = first.tokens
    if sampling.any_filtered:
        k, share, least = sampling.top_k.unsqueeze(1), sampling.top_p.unsqueeze(1), sampling.min_p.unsqueeze(1)
        p, blocks, u = first.p, first.blocks, first.uniform
        limited = (first.sampled & (sampling.top_k > 0)).nonzero().squeeze(1)
        by_share = (sampling.top_k == 0) & ((sampling.top_p < 1) | (sampling.min_p > 0))
        filtered = (first.sampled & by_share).nonzero().squeeze(1)
        unlucky = redraw(p, blocks, chosen, u, share, least, filtered)
        choose_among_likeliest(logits, first.temperature, k, share, least, u, chosen, torch.cat([limited, unlucky]))
    return with_failures(torch.where(first.sampled, chosen.squeeze(1), greedy), largest)


def sample_at_once(logits: Tensor, sampling: Sampling) -> Tensor:
    """As `sample`, but never waits for the device.

    A row gets -1 if 64 candidates do not suffice: its top_k is larger, or two draws in a row were filtered out. The
    caller leaves such rows to `sample`. This depends on the row alone, and so does its token.
    """
    largest, greedy = logits.max(1)
    if not sampling.any_sampled:
        return with_failures(greedy, largest)
    first = draw_unfiltered(logits, largest, sampling)
    chosen = first.tokens
    if sampling.any_filtered:
        k, share, least = sampling.top_k.unsqueeze(1), sampling.top_p.unsqueeze(1), sampling.min_p.unsqueeze(1)
        p, blocks, total = first.p, first.blocks, first.blocks[:, -1:]
        values, ids = likeliest(logits, min(64, logits.size(1)))
        ranked = odds(values, values[:, :1], first.temperature)
        rank, complete = draw_ranked(ranked, total, k, share, least, first.uniform)
        again = draw(p, blocks, next_uniform(first.uniform))
        lucky = kept(p, total, chosen, share, least)
        again = torch.where(kept(p, total, again, share, least), again, torch.full_like(again, -1))
        drawn = torch.where(k > 0, torch.full_like(chosen, -1), torch.where(lucky, chosen, again))
        filtered = torch.where(complete, ids.gather(1, rank), drawn)
        chosen = torch.where((k == 0) & (share >= 1) & (least <= 0), chosen, filtered)
    return with_failures(torch.where(first.sampled, chosen.squeeze(1), greedy), largest)
