"""GGUF's 5-bit and K formats but Q3_K: blocks of the file, taken apart into quants, scales and offsets.

A block of Q5_0 or Q5_1 has 32 elements and one scale. A block of the K formats has 256 elements, in groups of 32 (16 in
Q2_K and Q6_K). The scale of a group is a small integer times the scale of the block. Source: ggml-common.h and the dequantize_row
functions of ggml-quants.c.
"""

from typing import Tuple

import torch
from torch import Tensor

import gguf_types
from gguf_codes import halves, planes


def bits(raw: Tensor, count: int, dim: int) -> Tensor:
    """Each bit, lowest first, of `raw` as 0 or 1 in a new dimension before `dim`; the first `count` of them."""
    return torch.stack([raw.bitwise_right_shift(i).bitwise_and_(1) for i in range(count)], dim)


def nibbles(raw: Tensor, dim: int) -> Tensor:
    """The low halves of the bytes, then the high halves, in a new dimension before `dim`."""
    return torch.stack([raw.bitwise_and(15), raw.bitwise_right_shift(4)], dim)


def quants_5(raw: Tensor, with_minimum: bool) -> Tuple[Tensor, Tensor, Tensor]:
    """Q5_0 and Q5_1: float16 scale (and minimum), 32 high bits in 4 bytes, 32 low nibbles as in Q4."""
    n = raw.size(0)
    at = 4 if with_minimum else 2
    blocks = raw.view(n, -1, at + 20)
    scale = halves(blocks[:, :, :2]).squeeze(2)
    offset = halves(blocks[:, :, 2:4]).squeeze(2) if with_minimum else scale * -16.0
    high = bits(blocks[:, :, at : at + 4], 8, 3).view(n, -1, 32)
    low = nibbles(blocks[:, :, at + 4 :], 2).view(n, -1, 32)
    return low.bitwise_or_(high.bitwise_left_shift_(4)), scale, offset


def group_scales(packed: Tensor) -> Tuple[Tensor, Tensor]:
    """The 12 bytes [n, blocks, 12] of Q4_K and Q5_K: 6-bit scales and minimums of the block's 8 groups, as float32
    [n, blocks, 8]. Those of the first 4 groups lie in bytes 0-3 and 4-7; of the others the low 4 bits share bytes 8-11,
    and the high 2 bits are on top of the first 8 bytes."""
    scales, minimums, low = packed[:, :, :4], packed[:, :, 4:8], packed[:, :, 8:]
    top = scales.bitwise_right_shift(6).bitwise_left_shift_(4)
    scale = torch.cat([scales.bitwise_and(63), low.bitwise_and(15).bitwise_or_(top)], 2)
    top = minimums.bitwise_right_shift(6).bitwise_left_shift_(4)
    minimum = torch.cat([minimums.bitwise_and(63), low.bitwise_right_shift(4).bitwise_or_(top)], 2)
    return scale.float(), minimum.float()


def quants_k(raw: Tensor, five: bool) -> Tuple[Tensor, Tensor, Tensor]:
    """Q4_K and Q5_K: float16 scale and scale of the minimums, 12 bytes of group scales, in Q5_K 32 bytes whose bit g is
    the high bit of group g, then 32 bytes for each two groups: the first in the low and the second in the high halves."""
    n, at = raw.size(0), 48 if five else 16
    blocks = raw.view(n, -1, at + 128)
    heads = halves(blocks[:, :, :4])
    scale, minimum = group_scales(blocks[:, :, 4:16])
    quants = nibbles(blocks[:, :, at:].view(n, -1, 4, 32), 3).view(n, -1, 8, 32)
    if five:
        quants.bitwise_or_(bits(blocks[:, :, 16:48], 8, 2).bitwise_left_shift_(4))
    scale.mul_(heads[:, :, :1])
    minimum.mul_(heads[:, :, 1:]).neg_()
    return quants.view(n, -1, 32), scale.view(n, -1), minimum.view(n, -1)


def quants_6(raw: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """Q6_K: for each half of the block 64 bytes of low nibbles (elements 0-63, then 64-127) and, behind both, 32 bytes
    each of four 2-bit high parts; then 16 int8 group scales and the float16 scale."""
    n = raw.size(0)
    blocks = raw.view(n, -1, 210)
    low = nibbles(blocks[:, :, :128].view(n, -1, 2, 64), 3).view(n, -1, 2, 128)
    high = blocks[:, :, 128:192].view(n, -1, 2, 32)
    high = torch.stack([high.bitwise_right_shift(2 * i).bitwise_and_(3) for i in range(4)], 3).view(n, -1, 2, 128)
    quants = low.bitwise_or_(high.bitwise_left_shift_(4))
    scale = torch.view_copy(blocks[:, :, 192:208].contiguous(), dtype=torch.int8).float()
    scale = scale.mul_(halves(blocks[:, :, 208:])).view(n, -1)
    return quants.view(n, -1, 16), scale, scale * -32.0


def quants_2(raw: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """Q2_K: for each group of 16 a byte with a scale in its low and a minimum in its high half; 64 bytes of four 2-bit quants;
    float16 scale and scale of the minimums."""
    n = raw.size(0)
    blocks = raw.view(n, -1, 84)
    heads = halves(blocks[:, :, 80:])
    scale = blocks[:, :, :16].bitwise_and(15).float().mul_(heads[:, :, :1])
    minimum = blocks[:, :, :16].bitwise_right_shift(4).float().mul_(heads[:, :, 1:]).neg_()
    return planes(blocks[:, :, 16:80], 32, 4, 2).view(n, -1, 16), scale.view(n, -1), minimum.view(n, -1)


def quants(raw: Tensor, gguf_type: int) -> Tuple[Tensor, Tensor, Tensor]:
    """Rows [n, bytes] as quants uint8 [n, groups, 32 or 16], scales and offsets float32 [n, groups]; an element is
    scale · quant + offset, without rounding but in Q2_K, Q4_K, Q5_K and Q5_1, where the sum is rounded once."""
    if gguf_type == gguf_types.Q5_0 or gguf_type == gguf_types.Q5_1:
        return quants_5(raw, gguf_type == gguf_types.Q5_1)
    if gguf_type == gguf_types.Q4_K or gguf_type == gguf_types.Q5_K:
        return quants_k(raw, gguf_type == gguf_types.Q5_K)
    if gguf_type == gguf_types.Q2_K:
        return quants_2(raw)
    assert gguf_type == gguf_types.Q6_K, "GGUF type " + str(gguf_type) + " has no unpacking"
    return quants_6(raw)
