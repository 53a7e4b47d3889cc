"""The numbers that the operators in `src/main/native` take."""

from typing import Final, List

# `Format` in matrix.h: how a matrix is held.
Q4: Final[int] = 0
Q8: Final[int] = 1
Q5: Final[int] = 2
Q6_K: Final[int] = 3
F32: Final[int] = 4
F16: Final[int] = 5
BF16: Final[int] = 6
Q4_HALF_BLOCKS: Final[int] = 7
CODES: Final[int] = 8
CODES_HALF_BLOCKS: Final[int] = 9
Q4_CENTRED: Final[int] = 10
Q4_K: Final[int] = 11
Q5_K: Final[int] = 12
Q5_CENTRED: Final[int] = 13

# `CacheType` in kv_cache.h.
CACHE_F32: Final[int] = 0
CACHE_F16: Final[int] = 1
CACHE_BF16: Final[int] = 2
CACHE_Q8: Final[int] = 3

# `VectorRole` and `MatrixRole` in formats.h, in the order of their numbers.
VECTOR_ROLES: Final[List[str]] = [
    "attention_norm",
    "attention_post_norm",
    "feed_forward_norm",
    "feed_forward_post_norm",
    "qkv_bias",
    "head_norms",
    "sinks",
    "attention_output_bias",
    "router_bias",
    "gate_up_bias",
    "down_bias",
    "layer_scale",
    "input_post_norm",
    "router_norm",
    "expert_scales",
    "experts_norm",
    "experts_post_norm",
    "shared_gate",
    "shared_post_norm",
    "convolution",
    "decay",
    "decay_bias",
    "read_weights",
    "output_norm",
    "input_norm",
]
MATRIX_ROLES: Final[List[str]] = [
    "qkv",
    "attention_output",
    "router",
    "gate_up",
    "down",
    "shared_gate_up",
    "shared_down",
    "input_gate",
    "input_projection",
    "inputs",
    "head",
]

# `HeadNorm` and `Activation`, likewise.
HEAD_NORMS: Final[List[str]] = ["none", "each", "whole"]
ACTIVATIONS: Final[List[str]] = ["silu", "gelu", "clamped"]
