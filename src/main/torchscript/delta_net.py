"""Gated DeltaNet, the recurrent layers of `dense_decoder.py`. The worker's record `DeltaNet` describes what they compute.

Shapes: n rows; A value heads of D values and G key heads of K values; C channels, which are queries, keys and values. All is
float32.
"""

from typing import NamedTuple, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from program import Layer


class DeltaWeights(NamedTuple):
    convolution: Tensor  # [kernel, C]
    decay: Tensor  # [A]
    decay_bias: Tensor  # [A]
    read_weights: Tensor  # [D]
    epsilon: float


class DeltaRows(NamedTuple):
    """What rows do to the matrices of their heads."""

    queries: Tensor  # [n, A, K], of the length 1 / √K
    keys: Tensor  # [n, A, K], of the length 1
    values: Tensor  # [n, A, D]
    fades: Tensor  # [n, A], the logarithm of what is left
    shares: Tensor  # [n, A], of what a key reads, the part that its value replaces


def channels(d: Layer) -> int:
    return 2 * d.kv_heads * d.key_dim + d.heads * d.head_dim


def with_length(rows: Tensor, length: float) -> Tensor:
    return rows * (torch.rsqrt((rows * rows).sum(-1, True) + 1e-6) * length)


def split(rows: Tensor, d: Layer) -> Tuple[Tensor, Tensor, Tensor]:
    """What the first product makes of rows: channels, gates [n, A, D], and the rest."""
    width, values = channels(d), d.heads * d.head_dim
    gates = rows.narrow(1, width, values).view(-1, d.heads, d.head_dim)
    return rows.narrow(1, 0, width), gates, rows.narrow(1, width + values, 2 * d.heads)


def delta_rows(mixed: Tensor, rest: Tensor, d: Layer, w: DeltaWeights) -> DeltaRows:
    """mixed: channels after the convolution"""
    keys, each = d.kv_heads * d.key_dim, d.heads // d.kv_heads
    qk = F.silu(mixed.narrow(1, 0, 2 * keys)).view(-1, 2, d.kv_heads, d.key_dim)
    qk = qk.repeat(1, 1, each, 1) if d.tiled else qk.repeat_interleave(each, 2)
    values = F.silu(mixed.narrow(1, 2 * keys, d.heads * d.head_dim)).view(-1, d.heads, d.head_dim)
    fades = F.softplus(rest.narrow(1, d.heads, d.heads) + w.decay_bias) * w.decay
    shares = rest.narrow(1, 0, d.heads).sigmoid()
    return DeltaRows(with_length(qk[:, 0], d.key_dim**-0.5), with_length(qk[:, 1], 1.0), values, fades, shares)


def read(found: Tensor, gates: Tensor, w: DeltaWeights) -> Tensor:
    """What the queries found [n, A, D], with its norm and gates: [n, A · D]."""
    normed = found * torch.rsqrt((found * found).mean(2, True) + w.epsilon) * w.read_weights
    return (normed * F.silu(gates)).view(found.size(0), -1)


def delta_step(rows: Tensor, matrices: Tensor, before: Tensor, d: Layer, w: DeltaWeights) -> Tuple[Tensor, Tensor]:
    """One token of each of n sequences.

    matrices: [n, A, K, D], which become the new ones; before: the last channels of each sequence, [n, kernel - 1, C]
    Returns the result [n, A · D] and the new last channels.
    """
    mixed, gates, rest = split(rows, d)
    seen = torch.cat([before, mixed.unsqueeze(1)], 1)
    r = delta_rows((seen * w.convolution).sum(1), rest, d, w)
    matrices.mul_(r.fades.exp().view(-1, d.heads, 1, 1))
    known = torch.matmul(r.keys.unsqueeze(2), matrices)
    change = (r.values.unsqueeze(2) - known) * r.shares.view(-1, d.heads, 1, 1)
    matrices.addcmul_(r.keys.unsqueeze(3), change)
    found = torch.matmul(r.queries.unsqueeze(2), matrices).squeeze(2)
    return read(found, gates, w), seen[:, 1:]


def delta_chunk(rows: Tensor, matrices: Tensor, before: Tensor, d: Layer, w: DeltaWeights) -> Tuple[Tensor, Tensor, Tensor]:
    """n tokens of one sequence. As `delta_step`, but without the first dimension of matrices and last channels, and with new
    matrices."""
    mixed, gates, rest = split(rows, d)
    n = rows.size(0)
    seen = torch.cat([before, mixed])
    total = seen[:n] * w.convolution[0]
    for i in range(1, d.kernel):
        total.addcmul_(seen[i : i + n], w.convolution[i])
    r = delta_rows(total, rest, d, w)
    found = torch.empty_like(r.values)
    # Products take the place of so many steps.
    steps = 64
    for first in range(0, n, steps):
        last = min(n, first + steps)
        piece = DeltaRows(
            r.queries[first:last].transpose(0, 1),
            r.keys[first:last].transpose(0, 1),
            r.values[first:last].transpose(0, 1),
            r.fades[first:last].t(),
            r.shares[first:last].t(),
        )
        own, matrices = delta_piece(piece, matrices)
        found[first:last].copy_(own.transpose(0, 1))
    return read(found, gates, w), matrices, seen[n:]


def delta_piece(r: DeltaRows, matrices: Tensor) -> Tuple[Tensor, Tensor]:
    """m steps as products: what the queries find [A, m, D], and the new matrices [A, K, D]. The rows of r are by head: [A, m, …].

    What each step writes depends on what the earlier ones of the piece have written, which is a triangular system (Yang and
    others 2024, section 3).
    """
    m = r.keys.size(1)
    faded = r.fades.cumsum(1)
    between = (faded.unsqueeze(2) - faded.unsqueeze(1)).masked_fill(
        torch.ones([m, m], dtype=torch.bool, device=faded.device).triu(1), float("-inf")
    )
    left = between.exp()
    shares = r.shares.unsqueeze(2)
    system = torch.matmul(r.keys * shares, r.keys.transpose(1, 2)) * left
    wanted = r.values - torch.matmul(r.keys, matrices) * faded.exp().unsqueeze(2)
    written = torch.linalg.solve_triangular(system, wanted * shares, upper=False, left=True, unitriangular=True)
    found = torch.matmul(r.queries, matrices) * faded.exp().unsqueeze(2)
    found = found + torch.matmul(torch.matmul(r.queries, r.keys.transpose(1, 2)) * left, written)
    at_end = (faded[:, -1:] - faded).exp().unsqueeze(2)
    matrices = matrices * faded[:, -1].exp().view(-1, 1, 1) + torch.matmul((r.keys * at_end).transpose(1, 2), written)
    return found, matrices
