"""Changes logits before a token is chosen from them, and reports log-probabilities. The logits of rows that ask for
neither keep their bits.

Places are indexes into a flattened [rows, V]: row · V + token.
"""

from typing import List

import torch
import torch.nn.functional as F
from torch import Tensor

from sampling import likeliest


def marked(rows: int, vocabulary: int, places: Tensor) -> Tensor:
    """How often each token of each row is in `places`: [rows, V]."""
    counts = torch.zeros([rows * vocabulary], device=places.device)
    ones = torch.ones([places.size(0)], device=places.device)
    return counts.index_add_(0, places, ones).view(rows, vocabulary)


def weighted(rows: int, vocabulary: int, places: Tensor, values: Tensor) -> Tensor:
    """`values` at `places` and 0 elsewhere: [rows, V]."""
    bias = torch.zeros([rows * vocabulary], device=places.device)
    return bias.index_copy_(0, places, values).view(rows, vocabulary)


def penalised(logits: Tensor, rows: Tensor, factors: Tensor, known: Tensor, generated: Tensor, bias: Tensor) -> Tensor:
    """Logits [n, V] with those of `rows` [m] adjusted.

    factors: [3, m, 1], repetition, presence and frequency penalty
    known, generated: [m, V], how often each token is in prompt and answer, and in the answer alone
    """
    l = logits.index_select(0, rows)
    l = torch.where(known > 0, torch.where(l > 0, l / factors[0], l * factors[0]), l)
    l = l - (generated > 0) * factors[1] - generated * factors[2] + bias
    return logits.index_copy(0, rows, l)


def without(logits: Tensor, places: Tensor, steps: Tensor, step: int) -> Tensor:
    """Logits with -inf at the `places` that are forbidden for more than `step` steps."""
    if places.numel() == 0:
        return logits
    # All places get an addend. To select some, the host would have to wait for the GPU.
    added = torch.zeros(places.size(), device=logits.device).masked_fill_(steps > step, float("-inf"))
    return logits.flatten().index_add(0, places, added).view_as(logits)


def forbid_others(logits: Tensor, rows: List[int], allowed: List[Tensor]) -> None:
    """Sets the logits of the tokens that `rows` may not take to -inf. Other rows are not touched.

    allowed: for each of the rows uint8 [bytes] on the host, a bit for each token, the lowest first; tokens without one are
        not allowed
    """
    # What each byte adds to the logits of its 8 tokens. A table is 15 times as fast as taking each bit out on a CPU.
    bits = torch.arange(256, device=logits.device).unsqueeze(1) >> torch.arange(8, device=logits.device)
    added_by_byte = torch.zeros([256, 8], device=logits.device).masked_fill_((bits & 1) == 0, float("-inf"))
    added = F.embedding(torch.stack(allowed).to(logits.device).int(), added_by_byte).view(len(rows), -1)
    added = added[:, : logits.size(1)]
    if added.size(1) < logits.size(1):
        added = F.pad(added, [0, logits.size(1) - added.size(1)], value=float("-inf"))
    logits.index_add_(0, torch.tensor(rows, device=logits.device), added)


def count(tokens: Tensor, known: Tensor, generated: Tensor) -> None:
    """Counts one more token [m] of each row."""
    at = tokens.unsqueeze(1)
    one = torch.ones_like(at, dtype=known.dtype)
    known.scatter_add_(1, at, one)
    generated.scatter_add_(1, at, one)


def report(logits: Tensor, tokens: Tensor, top: int) -> Tensor:
    """For each row: the sampled token, its log-probability, the `top` likeliest tokens, theirs: [n, 2 + 2 · top].
    If `top` is -1, the sampled token alone: [n, 1]. Ids are exact as float32, of which each below 2^24 is one.
    For a row without a token, which has a negative number, only that number is valid."""
    if top < 0:
        return tokens.unsqueeze(1).float()
    total = logits.logsumexp(1, keepdim=True)
    sampled = tokens.unsqueeze(1)
    columns = [sampled.float(), logits.gather(1, sampled.clamp_min(0)) - total]
    if top > 0:
        values, ids = likeliest(logits, top)
        columns.append(ids.float())
        columns.append(values - total)
    return torch.cat(columns, 1)
