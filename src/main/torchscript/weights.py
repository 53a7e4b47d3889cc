"""What the two programs share whose layers are operators of libtorch: `decoder.py` and `dense_decoder.py`."""

from typing import List

import torch
import torch.nn.functional as F
from torch import Tensor


def dtype_of(name: str) -> torch.dtype:
    if name == "bf16":
        return torch.bfloat16
    if name == "fp16":
        return torch.float16
    assert name == "fp32", "no type is called " + name
    return torch.float32


def bytes_of(tensors: List[Tensor]) -> int:
    bytes = 0
    for w in tensors:
        bytes += w.numel() * w.element_size()
    return bytes


def rope_angles(length: int, frequencies: List[float]) -> Tensor:
    """By how much each pair turns at each position: float64 [length, D / 2], in radians."""
    return torch.outer(torch.arange(length).double(), torch.tensor(frequencies, dtype=torch.float64))


def swiglu(gate_up: Tensor) -> Tensor:
    """[n, 2 · inner] to [n, inner]: SiLU of the first half times the second."""
    half = gate_up.size(1) // 2
    return F.silu(gate_up[:, :half]).mul_(gate_up[:, half:])


class Weights:
    """A mixin for a `DecoderProgram`: the weights that are no matrices, and the types of matrices and cache."""

    norms: List[Tensor]
    biases: List[Tensor]
    head_norms: List[Tensor]

    def __init__(self):
        super().__init__()
        none = torch.zeros(0)
        self.compute_dtype = torch.float32
        self.cache_dtype = torch.float32
        # For each layer attention and feed-forward, then the head's: [H] float32, times the square root of H.
        self.norms = []
        # If the model has them, for each layer: of query|key|value, [(A + 2 · G) · D]; and of the heads of queries and
        # keys, [A + G, D] float32, times the square root of D.
        self.biases = []
        self.head_norms = []
        self.head_norm_epsilon = none  # [1, 1, 1], times the square root of D

    def set_types(self, epsilon: float, compute: str, cache: str) -> None:
        self.compute_dtype = dtype_of(compute)
        self.cache_dtype = dtype_of(cache)
        self.head_norm_epsilon = torch.full([1, 1, 1], (self.head_dim * epsilon) ** 0.5, device=self.device)

    def add_norm(self, weights: Tensor) -> None:
        self.norms.append(weights * float(self.hidden) ** 0.5)

    def add_head_norms(self, weights: Tensor) -> None:
        self.head_norms.append(weights * float(self.head_dim) ** 0.5)
