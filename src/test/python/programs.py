"""Puts descriptions and weights into the decoder programs as the worker does, for the scripts here and in `../gpu`."""

import sys
from pathlib import Path

import torch

SOURCES = Path(__file__).resolve().parents[2] / "main/torchscript"
PROGRAMS = SOURCES.parent / "resources/dev/llmworker/model"
sys.path.insert(0, str(SOURCES))
import gguf_types
import layouts
from program import HEAD, Layer

TYPES = {torch.float32: gguf_types.F32, torch.float16: gguf_types.F16, torch.bfloat16: gguf_types.BF16}
PLAIN = dict(
    window=0,
    ring=0,
    keys_of=-1,
    rope=0,
    cap=0.0,
    growth_beta=0.0,
    growth_length=1,
    head_norm="none",
    gated=False,
    bidirectional=False,
    kernel=0,
    key_dim=0,
    tiled=False,
    norms="before",
    residual_scale=1.0,
    activation="silu",
    experts=0,
    used_experts=0,
    softmax_of_chosen=False,
    normalised=False,
    experts_scale=1.0,
    shared_width=0,
)


def layer(heads: int, kv_heads: int, head_dim: int, width: int, **others) -> Layer:
    """A layer of Llama, but for the others."""
    sizes = dict(heads=heads, kv_heads=kv_heads, head_dim=head_dim, width=width, scale=head_dim**-0.5)
    return Layer(**(PLAIN | sizes | others))


def rope(base: float, turning: int) -> list[float]:
    """The frequencies of heads whose first values turn."""
    return [base ** (-i / turning) for i in range(0, turning, 2)]


def configure(
    program,
    hidden: int,
    vocabulary: int,
    slots: int,
    length: int,
    layers: list[Layer],
    ropes: list[tuple[list[float], float]],
    *,
    lone_length=0,
    epsilon=1e-5,
    norms_from_zero=False,
    embedding_scale=1.0,
    logit_scale=1.0,
    logit_cap=0.0,
    layer_input=0,
    compute="fp32",
    cache="fp32",
    device="cpu",
    deterministic=False,
) -> None:
    """ropes: frequencies and strength of each"""
    scales = norms_from_zero, embedding_scale, logit_scale, logit_cap, layer_input
    types = compute, cache, device, deterministic
    program.configure(hidden, vocabulary, slots, length, lone_length, epsilon, *scales, *types)
    for frequencies, strength in ropes:
        program.add_rope(frequencies, strength)
    for described in layers:
        program.add_layer(*described)
    program.allocate()


def raw(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of a tensor as a file has them."""
    return tensor.contiguous().view(torch.uint8).view(-1)


def put_embedding(program, tensor: torch.Tensor) -> None:
    program.put_embedding([raw(tensor)], TYPES[tensor.dtype], tensor.size(0))


def put_output_norm(program, tensor: torch.Tensor) -> None:
    program.put_output_norm([raw(tensor)], TYPES[tensor.dtype])


def put_vector(program, layer: int, role: str, *parts: torch.Tensor) -> None:
    program.put_vector(layer, role, [raw(part) for part in parts], [TYPES[part.dtype] for part in parts])


def put_matrix(program, layer: int, role: str, *parts: torch.Tensor) -> None:
    """parts: whose rows are joined"""
    types, rows = [TYPES[part.dtype] for part in parts], [part.size(0) for part in parts]
    put_raw_matrix(program, layer, role, [raw(part) for part in parts], types, rows, parts[0].size(1))


def put_head(program, tensor: torch.Tensor) -> None:
    put_matrix(program, HEAD, "head", tensor)


def put_raw_matrix(program, layer, role, parts, types, rows, columns, few=layouts.DENSE, many=layouts.DENSE, many_from=1 << 30):
    program.put_matrix(layer, role, parts, types, rows, columns, few, many, many_from)
