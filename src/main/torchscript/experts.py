"""Feed-forward blocks of `dense_decoder.py`: what is between their matrices, and experts.

Shapes: n rows of H values; E experts, of which a row has `used`.
"""

from typing import List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from program import Layer


def activated(gate_up: Tensor, activation: str) -> Tensor:
    """Gates and values [n, 2 · width] to [n, width], as the worker's `FeedForward.Activation` describes it."""
    half = gate_up.size(1) // 2
    gate, values = gate_up.narrow(1, 0, half), gate_up.narrow(1, half, half)
    if activation == "silu":
        return F.silu(gate).mul_(values)
    if activation == "gelu":
        return F.gelu(gate, approximate="tanh").mul_(values)
    assert activation == "clamped", "no activation is called " + activation
    gate = gate.clamp(max=7.0)
    return torch.sigmoid(gate * 1.702).mul_(gate).mul_(values.clamp(-7.0, 7.0).add_(1.0))


def activated_product(gate_up: Tensor, activation: str, matrix: Tensor, bias: Optional[Tensor]) -> Tensor:
    """The product of a matrix with what is between it and the matrix before it.

    Gates times values can be larger than float16 holds, and so can the product. With float16, rows with a large sum are
    therefore scaled down for the product, and the result is float32.
    """
    if gate_up.dtype != torch.float16:
        return F.linear(activated(gate_up, activation), matrix, bias)
    between = activated(gate_up.float(), activation)
    factors = between.abs().sum(1, keepdim=True).div_(16384.0).clamp_min_(1.0)
    result = F.linear(between.div_(factors).to(torch.float16), matrix).float().mul_(factors)
    return result if bias is None else result.add_(bias)


def routed(logits: Tensor, d: Layer) -> Tuple[Tensor, Tensor]:
    """The weights and numbers of each row's experts, both [n, used], of the router's logits [n, E] float32."""
    if d.softmax_of_chosen:
        best, chosen = logits.topk(d.used_experts, 1)
        return best.softmax(1), chosen
    weights, chosen = logits.softmax(1).topk(d.used_experts, 1)
    if d.normalised:
        weights = weights / weights.sum(1, True)
    return weights, chosen


def run_experts(
    inputs: Tensor,
    weights: Tensor,
    chosen: Tensor,
    gate_up: Tuple[Tensor, Optional[Tensor]],
    down: Tuple[Tensor, Optional[Tensor]],
    activation: str,
    apart: bool,
) -> Tensor:
    """The weighted sum of what a row's experts make of it: float32 [n, H].

    gate_up, down: matrices [E, …, …] and biases [E, …]
    apart: one product for each row of an expert, which is then the same kernel whatever the other rows are

    The rows are in the order of their experts, so that a kernel for groups of rows can take the place of the loop.
    """
    experts, used = gate_up[0].size(0), chosen.size(1)
    sorted, order = chosen.view(-1).sort(stable=True)
    numbers = torch.arange(experts, device=chosen.device)
    # Behind the last row of each expert.
    ends: List[int] = torch.searchsorted(sorted, numbers, right=True).to("cpu").tolist()
    rows = inputs.index_select(0, order.div(used, rounding_mode="floor"))
    dtype = torch.float32 if rows.dtype == torch.float16 else rows.dtype
    results = torch.empty(rows.size(), dtype=dtype, device=rows.device)
    first = 0
    for expert in range(experts):
        while first < ends[expert]:
            last = first + 1 if apart else ends[expert]
            biases = down[1]
            bias = None if biases is None else biases[expert]
            between = product(rows[first:last], gate_up, expert)
            results[first:last] = activated_product(between, activation, down[0][expert], bias)
            first = last
    by_row = torch.empty_like(results).index_copy_(0, order, results).view(chosen.size(0), used, -1)
    return (by_row * weights.unsqueeze(2)).sum(1)


def product(inputs: Tensor, matrices: Tuple[Tensor, Optional[Tensor]], expert: int) -> Tensor:
    biases = matrices[1]
    return F.linear(inputs, matrices[0][expert], None if biases is None else biases[expert])
