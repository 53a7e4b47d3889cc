"""GGUF's types whose elements are numbers of a small table times a scale: MXFP4, Q3_K, the IQ and the TQ types.

Blocks of the file become codes, the places of the numbers in the table, and the scales of 16 or 32 elements. A code has 4 bits,
because no type has more than 16 numbers. In the IQ2 and IQ3 types bit 3 is the sign, and the lower bits come from a grid: see
`gguf_grids.py`. Source: ggml-common.h and the dequantize_row functions of ggml-quants.c.
"""

from typing import List, Tuple

import torch
from torch import Tensor

import gguf_types


def table(gguf_type: int) -> List[int]:
    """The 16 numbers that a code of this type stands for; none if the type has no codes. Those that no code stands for are 0."""
    if gguf_type == gguf_types.MXFP4:
        # Twice the floats of a sign, 2 bits of exponent and 1 of mantissa. Source: the OCP's Microscaling Formats 1.0.
        return [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]
    if gguf_type == gguf_types.Q3_K:
        return [-4, -3, -2, -1, 0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0]
    if gguf_type == gguf_types.TQ1_0 or gguf_type == gguf_types.TQ2_0:
        return [-1, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    if gguf_type == gguf_types.IQ4_NL or gguf_type == gguf_types.IQ4_XS:
        return [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]
    if gguf_type == gguf_types.IQ3_XXS:
        return [4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62]
    if gguf_type == gguf_types.IQ3_S:
        return [1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15]
    if gguf_type == gguf_types.IQ2_XXS or gguf_type == gguf_types.IQ2_XS or gguf_type == gguf_types.IQ2_S:
        return [8, 25, 43, 0, 0, 0, 0, 0, -8, -25, -43, 0, 0, 0, 0, 0]
    if gguf_type == gguf_types.IQ1_S or gguf_type == gguf_types.IQ1_M:
        # Eight times -1, 0 or 1, plus or minus 1/8.
        return [-7, 1, 9, 0, 0, 0, 0, 0, -9, -1, 7, 0, 0, 0, 0, 0]
    return []


def block(gguf_type: int) -> Tuple[int, int]:
    """The elements and the bytes of a block."""
    for known, elements, size in [
        (gguf_types.Q4_0, 32, 18),
        (gguf_types.Q4_1, 32, 20),
        (gguf_types.Q5_0, 32, 22),
        (gguf_types.Q5_1, 32, 24),
        (gguf_types.Q8_0, 32, 34),
        (gguf_types.Q2_K, 256, 84),
        (gguf_types.Q3_K, 256, 110),
        (gguf_types.Q4_K, 256, 144),
        (gguf_types.Q5_K, 256, 176),
        (gguf_types.Q6_K, 256, 210),
        (gguf_types.IQ2_XXS, 256, 66),
        (gguf_types.IQ2_XS, 256, 74),
        (gguf_types.IQ3_XXS, 256, 98),
        (gguf_types.IQ1_S, 256, 50),
        (gguf_types.IQ4_NL, 32, 18),
        (gguf_types.IQ3_S, 256, 110),
        (gguf_types.IQ2_S, 256, 82),
        (gguf_types.IQ4_XS, 256, 136),
        (gguf_types.IQ1_M, 256, 56),
        (gguf_types.TQ1_0, 256, 54),
        (gguf_types.TQ2_0, 256, 66),
        (gguf_types.MXFP4, 32, 17),
    ]:
        if known == gguf_type:
            return elements, size
    raise ValueError("GGUF type " + str(gguf_type) + " has no blocks")


def halves(raw: Tensor) -> Tensor:
    """Bytes [..., 2n] as float16 values [..., n] in float32."""
    return torch.view_copy(raw.contiguous(), dtype=torch.float16).float()


def whole(raw: Tensor, size: int) -> Tensor:
    """Bytes [..., size · n] as whole numbers of `size` bytes, int32 [..., n]. Those of 4 bytes may be negative."""
    parts = raw.unflatten(-1, [-1, size]).int()
    number = parts.select(-1, 0)
    for i in range(1, size):
        number = number.bitwise_or(parts.select(-1, i).bitwise_left_shift(8 * i))
    return number


def fields(numbers: Tensor, count: int, bits: int) -> Tensor:
    """The lowest `count` fields of some bits each, [..., n] to [..., n, count], the lowest first."""
    mask = (1 << bits) - 1
    return torch.stack([numbers.bitwise_right_shift(bits * i).bitwise_and(mask) for i in range(count)], -1)


def planes(raw: Tensor, width: int, count: int, bits: int) -> Tensor:
    """Fields of bytes [n, blocks, bytes], of all `width` bytes the lowest ones first, then the others: [n, blocks, elements]."""
    split = raw.unflatten(-1, [-1, 1, width])
    mask = (1 << bits) - 1
    return torch.cat([split.bitwise_right_shift(bits * i).bitwise_and(mask) for i in range(count)], 3).flatten(2)


def with_parity(signs: Tensor) -> Tensor:
    """7 signs and an eighth one, with which the number of ones is even."""
    parity = signs.bitwise_xor(signs.bitwise_right_shift(4))
    parity = parity.bitwise_xor(parity.bitwise_right_shift(2))
    parity = parity.bitwise_xor(parity.bitwise_right_shift(1)).bitwise_and(1)
    return signs.bitwise_or(parity.bitwise_left_shift(7))


def of_grid(grids: Tensor, gguf_type: int, numbers: Tensor, signs: Tensor) -> Tensor:
    """The codes of grid points [n, …] with the signs of elements, [n, …]: uint8 [n, elements].

    numbers: int32, of points; signs: 8 of them in an int32
    """
    # Elements of the grids before, those of the grid, and of a point. Their order is that of gguf_grids.py.
    first, count, size = 0, 256 * 8, 8
    if gguf_type == gguf_types.IQ2_XS:
        first, count = 256 * 8, 512 * 8
    elif gguf_type == gguf_types.IQ2_S:
        first, count = 768 * 8, 1024 * 8
    elif gguf_type == gguf_types.IQ1_S or gguf_type == gguf_types.IQ1_M:
        first, count = 1792 * 8, 2048 * 8
    elif gguf_type == gguf_types.IQ3_XXS:
        first, count, size = 3840 * 8, 256 * 4, 4
    elif gguf_type == gguf_types.IQ3_S:
        first, count, size = 3840 * 8 + 256 * 4, 512 * 4, 4
    points = grids[first : first + count].view(-1, size).index_select(0, numbers.flatten())
    high = fields(signs, 8, 1).to(torch.uint8).bitwise_left_shift_(3)
    return points.view(numbers.size(0), -1).bitwise_or_(high.view(numbers.size(0), -1))


def codes_iq2(raw: Tensor, gguf_type: int, grids: Tensor) -> Tuple[Tensor, Tensor]:
    """A float16 scale. In IQ2_XXS for each 32 elements 4 bytes of points, and 4 more of four times 7 signs and of a scale of 4
    bits. In IQ2_XS for each 8 elements 9 bits of a point and 7 signs, then the scales of 16 elements. In IQ2_S all points, all
    signs, the high bits of the points, and scales as in IQ2_XS."""
    if gguf_type == gguf_types.IQ2_XXS:
        parts = raw[:, :, 2:].unflatten(2, [8, 8])
        last = whole(parts[:, :, :, 4:], 4).squeeze(3)
        points, signs = parts[:, :, :, :4].int(), with_parity(fields(last, 4, 7))
        scale = last.bitwise_right_shift(28).bitwise_and(15)
    elif gguf_type == gguf_types.IQ2_XS:
        both = whole(raw[:, :, 2:66], 2)
        points, signs = both.bitwise_and(511), with_parity(both.bitwise_right_shift(9))
        scale = fields(raw[:, :, 66:], 2, 4).flatten(2)
    else:
        high = fields(raw[:, :, 66:74], 4, 2).flatten(2).int().bitwise_left_shift(8)
        points, signs = raw[:, :, 2:34].int().bitwise_or(high), raw[:, :, 34:66].int()
        scale = fields(raw[:, :, 74:], 2, 4).flatten(2)
    return of_grid(grids, gguf_type, points, signs), scale.float().add_(0.5).mul_(halves(raw[:, :, :2])).mul_(0.25)


def codes_iq3(raw: Tensor, gguf_type: int, grids: Tensor) -> Tuple[Tensor, Tensor]:
    """A float16 scale, and a byte of each point, which has 4 elements. In IQ3_XXS then signs and scales as in IQ2_XXS. In IQ3_S
    the ninth bits of the points, signs, and scales of 4 bits for 32 elements."""
    points, scale = raw[:, :, 2:66].int(), halves(raw[:, :, :2])
    if gguf_type == gguf_types.IQ3_XXS:
        last = whole(raw[:, :, 66:], 4)
        own = last.bitwise_right_shift(28).bitwise_and(15).float().add_(0.5).mul_(scale).mul_(0.5)
        return of_grid(grids, gguf_type, points, with_parity(fields(last, 4, 7))), own
    points = points.bitwise_or(fields(raw[:, :, 66:74], 8, 1).flatten(2).int().bitwise_left_shift(8))
    own = fields(raw[:, :, 106:], 2, 4).flatten(2).float().mul_(2.0).add_(1.0).mul_(scale)
    return of_grid(grids, gguf_type, points, raw[:, :, 74:106].int()), own


def codes_iq1(raw: Tensor, gguf_type: int, grids: Tensor) -> Tuple[Tensor, Tensor]:
    """A byte and 3 high bits of each point. In IQ1_S these are, with a scale of 3 bits and a sign, in 2 bytes for 32 elements; a
    float16 scale comes first. In IQ1_M the high bits and a sign take half a byte. Then come scales of 3 bits for 16 elements,
    four in each 2 bytes, whose other 4 bits are a quarter of the float16 scale."""
    if gguf_type == gguf_types.IQ1_S:
        more = whole(raw[:, :, 34:], 2)
        high, signs = fields(more, 4, 3), more.bitwise_right_shift(15).unsqueeze(3).expand(-1, -1, -1, 4)
        own, scale = more.bitwise_right_shift(12).bitwise_and(7), halves(raw[:, :, :2])
        low = raw[:, :, 2:34]
    else:
        more = fields(raw[:, :, 32:48], 2, 4).int()
        high, signs = more.bitwise_and(7), more.bitwise_right_shift(3)
        packed = whole(raw[:, :, 48:], 2)
        own = fields(packed, 4, 3).flatten(2)
        quarters = packed.bitwise_right_shift(12)
        bits = torch.stack([quarters.select(2, i).bitwise_left_shift(4 * i) for i in range(4)], 2).sum(2, dtype=torch.int32)
        scale = torch.view_copy(bits.to(torch.int16), dtype=torch.float16).float().unsqueeze(2)
        low = raw[:, :, :32]
    points = low.int().bitwise_or(high.flatten(2).bitwise_left_shift(8))
    codes = of_grid(grids, gguf_type, points, signs.flatten(2).mul(255))
    return codes, own.float().mul_(2.0).add_(1.0).mul_(scale).mul_(0.125)


def codes_iq4(raw: Tensor, gguf_type: int) -> Tuple[Tensor, Tensor]:
    """A float16 scale, and codes as the quants of Q4_0. In IQ4_XS scales of 6 bits for 32 elements come before them: 2 bytes of
    high bits, then the low ones."""
    if gguf_type == gguf_types.IQ4_NL:
        return planes(raw[:, :, 2:], 16, 2, 4), halves(raw[:, :, :2])
    high = fields(whole(raw[:, :, 2:4], 2), 8, 2).flatten(2).bitwise_left_shift(4)
    scale = fields(raw[:, :, 4:8], 2, 4).flatten(2).int().bitwise_or(high).sub(32)
    return planes(raw[:, :, 8:], 16, 2, 4), scale.float().mul_(halves(raw[:, :, :2]))


def codes_tq(raw: Tensor, gguf_type: int) -> Tuple[Tensor, Tensor]:
    """The float16 scale comes last. In TQ1_0 a byte b has five elements, or four in the last 4 bytes: 3 · (b · 3^i mod 256) / 256."""
    if gguf_type == gguf_types.TQ2_0:
        return planes(raw[:, :, :64], 32, 4, 2), halves(raw[:, :, 64:]).expand(-1, -1, 8)
    parts: List[Tensor] = []
    for first, last, count in [(0, 32, 5), (32, 48, 5), (48, 52, 4)]:
        some, power = raw[:, :, first:last].int(), 1
        for _ in range(count):
            parts.append(some.mul(power).bitwise_and(255).mul_(3).bitwise_right_shift_(8))
            power *= 3
    return torch.cat(parts, 2).to(torch.uint8), halves(raw[:, :, 52:]).expand(-1, -1, 8)


def codes_3(raw: Tensor) -> Tuple[Tensor, Tensor]:
    """Q3_K: 32 bytes whose bit g is the high bit of the elements of group g of 32, then their 2 low bits; scales of 6 bits for 16
    elements, first the 4 low bits and then the high ones; the float16 scale comes last."""
    high = planes(raw[:, :, :32], 32, 8, 1).bitwise_left_shift(2)
    low = planes(raw[:, :, 96:104], 8, 2, 4).int()
    scale = low.bitwise_or(planes(raw[:, :, 104:108], 4, 4, 2).int().bitwise_left_shift(4)).sub(32)
    return planes(raw[:, :, 32:96], 32, 4, 2).bitwise_or(high), scale.float().mul_(halves(raw[:, :, 108:]))


def codes(raw: Tensor, gguf_type: int, grids: Tensor) -> Tuple[Tensor, Tensor]:
    """Rows [n, bytes] as codes uint8 [n, groups, 32 or 16] and scales float32 [n, groups]; an element is exactly its scale times
    the table's number.

    grids: those of `gguf_grids.py`, on the device
    """
    n, t = raw.size(0), gguf_type
    blocks = raw.view(n, -1, block(t)[1])
    if t == gguf_types.MXFP4:
        found, scale = planes(blocks[:, :, 1:], 16, 2, 4), torch.pow(2.0, blocks[:, :, :1].float() - 128.0)
    elif t == gguf_types.Q3_K:
        found, scale = codes_3(blocks)
    elif t == gguf_types.IQ4_NL or t == gguf_types.IQ4_XS:
        found, scale = codes_iq4(blocks, t)
    elif t == gguf_types.TQ1_0 or t == gguf_types.TQ2_0:
        found, scale = codes_tq(blocks, t)
    elif t == gguf_types.IQ3_XXS or t == gguf_types.IQ3_S:
        found, scale = codes_iq3(blocks, t, grids)
    elif t == gguf_types.IQ1_S or t == gguf_types.IQ1_M:
        found, scale = codes_iq1(blocks, t, grids)
    else:
        found, scale = codes_iq2(blocks, t, grids)
    return found.view(n, scale.size(1) * scale.size(2), -1), scale.reshape(n, -1)
