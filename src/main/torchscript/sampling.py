"""From logits to token ids. Every row stands alone: its token depends on its own logits, parameters and uniform number,
and not on the rows beside it."""

from typing import List

import torch
from torch import Tensor

# Each function below samples by the inverse of the cumulated probabilities, from one uniform number a row in [0, 1).


def first_above(cumulated: Tensor, target: Tensor) -> Tensor:
    """The first index in each row of `cumulated` [n, m] whose value is above `target` [n, 1]. A target that rounding
    brought up to the row's total is moved below it, so that an entry of probability 0 is never the one."""
    below_total = cumulated[:, -1:] * (1.0 - 2.0**-22)
    return (cumulated <= torch.minimum(target, below_total)).sum(1, keepdim=True)


def sample_all(logits: Tensor, temperature: Tensor, uniform: Tensor) -> Tensor:
    """Draws from the softmax of logits [n, V] / temperature [n, 1] over the whole vocabulary: [n, 1].

    In two levels, of 64 tokens at a time: adding up 50,000 numbers one by one is the slow part.
    """
    n = logits.size(0)
    p = torch.div(logits - logits.amax(1, keepdim=True), temperature).exp_()
    vocabulary = p.size(1)
    if vocabulary % 64 != 0:
        p = torch.nn.functional.pad(p, [0, 64 - vocabulary % 64])
    p = p.view(n, -1, 64)
    blocks = p.sum(2).cumsum(1)
    target = uniform * blocks[:, -1:]
    block = first_above(blocks, target)
    before = torch.where(block > 0, blocks.gather(1, (block - 1).clamp_min(0)), torch.zeros_like(target))
    inside = p.gather(1, block.unsqueeze(2).expand(-1, -1, 64)).squeeze(1).cumsum(1)
    return block * 64 + first_above(inside, target - before)


def likeliest(logits: Tensor, count: int) -> List[Tensor]:
    """The `count` largest logits of each row, largest first, and their token ids.

    The largest 64 tokens lie in the 64 groups of the largest maxima: of groups of 64 that leaves 4,096 to sort instead of
    all; the largest 1,024 likewise, of groups of 16.
    """
    n, vocabulary = logits.size(0), logits.size(1)
    size = 64 if count <= 64 else 16
    if vocabulary % size != 0 or vocabulary <= 2 * count * size:
        values, ids = logits.topk(count, 1)
        return [values, ids]
    groups = logits.view(n, -1, size)
    group = groups.amax(2).topk(count, 1)[1]
    values, where = groups.gather(1, group.unsqueeze(2).expand(-1, -1, size)).view(n, -1).topk(count, 1)
    in_group = where.remainder(size)
    return [values, group.gather(1, (where - in_group).div(size, rounding_mode="trunc")) * size + in_group]


def sample_filtered(
    logits: Tensor, temperature: Tensor, top_k: Tensor, top_p: Tensor, min_p: Tensor, uniform: Tensor, rows: Tensor
) -> Tensor:
    """Draws [n, 1] for `rows`, indices [m], from what top_k, then top_p of what that leaves, and min_p keep.

    Exact over the whole vocabulary: 64 candidates are looked at first, and more only for rows that keep more.
    """
    vocabulary = logits.size(1)
    chosen = torch.zeros_like(top_k)
    count = min(64, vocabulary)
    while rows.numel() > 0:
        l, heat, k = logits.index_select(0, rows), temperature.index_select(0, rows), top_k.index_select(0, rows)
        largest = l.amax(1, keepdim=True)
        total = torch.div(l - largest, heat).exp_().sum(1, keepdim=True)
        candidates = likeliest(l, count)
        p = torch.div(candidates[0] - largest, heat).exp_()
        cumulated = p.cumsum(1)
        limited = k > 0
        last = torch.where(limited, k, torch.full_like(k, count)).clamp_max(count) - 1
        reachable = torch.where(limited, cumulated.gather(1, last), total)
        ranks = torch.arange(count, device=l.device).unsqueeze(0)
        # The likeliest token is always kept; p of it is 1 before normalising.
        keep = (ranks <= last) & ((cumulated - p) < top_p.index_select(0, rows) * reachable)
        keep = (keep & (p >= min_p.index_select(0, rows))) | (ranks == 0)
        kept = cumulated.gather(1, keep.sum(1, keepdim=True) - 1)
        rank = first_above(torch.minimum(cumulated, kept), uniform.index_select(0, rows) * kept)
        chosen.index_copy_(0, rows, candidates[1].gather(1, rank))
        if count == vocabulary:
            break
        # With fewer candidates than top_k it is not known yet what top_p is a part of.
        complete = torch.where(limited, k <= count, ~keep[:, -1:])
        rows = rows[~complete.squeeze(1)]
        count = min(1024, vocabulary) if count < 1024 else vocabulary
    return chosen


def sample(
    logits: Tensor,
    temperature: Tensor,
    top_k: Tensor,
    top_p: Tensor,
    min_p: Tensor,
    uniform: Tensor,
    any_sampled: bool,
    any_filtered: bool,
) -> Tensor:
    """The next token of each row: ids [n] from logits [n, V] and parameters [n]; temperature 0 is greedy.

    any_sampled, any_filtered: whether some row has a temperature above 0, and with it top_k, top_p or min_p
    """
    chosen = logits.argmax(1, keepdim=True)
    if any_sampled:
        temperature = temperature.unsqueeze(1)
        top_k, top_p, min_p, uniform = top_k.unsqueeze(1), top_p.unsqueeze(1), min_p.unsqueeze(1), uniform.unsqueeze(1)
        sampled = temperature > 0
        heat = torch.where(sampled, temperature, torch.ones_like(temperature))
        chosen = torch.where(sampled, sample_all(logits, heat, uniform), chosen)
        if any_filtered:
            filtered = sampled & ((top_k > 0) | (top_p < 1) | (min_p > 0))
            rows = filtered.squeeze(1).nonzero().squeeze(1)
            drawn = sample_filtered(logits, heat, top_k, top_p, min_p, uniform, rows)
            chosen = torch.where(filtered, drawn, chosen)
    return chosen.squeeze(1)
