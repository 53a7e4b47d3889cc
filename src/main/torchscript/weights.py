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


class Types:
    """A mixin for a `DecoderProgram`: the types of matrices and cache."""

    def __init__(self):
        super().__init__()
        self.compute_dtype = torch.float32
        self.cache_dtype = torch.float32

    def set_types(self) -> None:
        self.compute_dtype = dtype_of(self.compute)
        self.cache_dtype = dtype_of(self.cache_type)
