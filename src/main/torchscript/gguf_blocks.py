"""GGUF's weight formats on the device. Tensor operations unpack or repack the bytes of the file.

A quantised row is a sequence of blocks, of 32 elements in the formats here. In Q4, two elements share a byte: element j
is in the low half of byte j, and element j + 16 in its high half. `gguf_quants.py` and `gguf_codes.py` have the other formats.

`x.view(dtype)` compiles to a view by size in TorchScript, so `torch.view_copy` reinterprets bytes.
"""

from typing import List, Tuple

import torch
from torch import Tensor

import gguf_types
from gguf_codes import codes, halves, table
from gguf_quants import quants


def plain_numbers(raw: Tensor, gguf_type: int) -> Tensor:
    """Rows [n, bytes] of F32, F16 or BF16 as float32 [n, columns]."""
    if gguf_type == gguf_types.F32:
        return torch.view_copy(raw, dtype=torch.float32)
    if gguf_type == gguf_types.F16:
        return halves(raw)
    return torch.view_copy(raw, dtype=torch.bfloat16).float()


def unpack(raw: Tensor, gguf_type: int, grids: Tensor) -> Tensor:
    """Rows [n, bytes] of any supported type as float32 [n, columns]; exact.

    grids: those of `gguf_grids.py`, on the same device
    """
    n = raw.size(0)
    numbers = table(gguf_type)
    if len(numbers) > 0:
        code, scale = codes(raw, gguf_type, grids)
        values = torch.tensor(numbers, dtype=torch.float32, device=raw.device).index_select(0, code.flatten().int())
        return values.view(code.size()).mul_(scale.unsqueeze(2)).view(n, -1)
    if gguf_type == gguf_types.F32 or gguf_type == gguf_types.F16 or gguf_type == gguf_types.BF16:
        return plain_numbers(raw, gguf_type)
    if gguf_type == gguf_types.Q8_0:
        blocks = raw.view(n, -1, 34)
        scale = halves(blocks[:, :, :2])
        return torch.view_copy(blocks[:, :, 2:], dtype=torch.int8).float().mul_(scale).view(n, -1)
    if gguf_type != gguf_types.Q4_0 and gguf_type != gguf_types.Q4_1:
        q, scale, offset = quants(raw, gguf_type)
        return q.float().mul_(scale.unsqueeze(2)).add_(offset.unsqueeze(2)).view(n, -1)
    # Both Q4 types are scale · nibble + offset; in Q4_0 the offset is -8 scales.
    if gguf_type == gguf_types.Q4_0:
        blocks = raw.view(n, -1, 18)
        scale = halves(blocks[:, :, :2])
        offset = scale * -8.0
        nibbles = blocks[:, :, 2:]
    else:
        blocks = raw.view(n, -1, 20)
        scale = halves(blocks[:, :, :2])
        offset = halves(blocks[:, :, 2:4])
        nibbles = blocks[:, :, 4:]
    q = torch.cat([nibbles.bitwise_and(15), nibbles.bitwise_right_shift(4)], 2)
    return q.float().mul_(scale).add_(offset).view(n, -1)


def rows_per_piece(columns: int) -> int:
    """How many rows to convert at once, a multiple of 64: temporaries stay at a few MB."""
    return max(64, 1024 * 1024 // columns // 64 * 64)


def unpack_matrix(
    raw: Tensor, gguf_type: int, grids: Tensor, rows: int, columns: int, dtype: torch.dtype
) -> Tensor:
    """A whole matrix as `dtype` [rows, columns]."""
    raw = raw.view(rows, -1)
    out = torch.empty([rows, columns], dtype=dtype, device=raw.device)
    step = rows_per_piece(columns)
    for first in range(0, rows, step):
        last = min(rows, first + step)
        out[first:last].copy_(unpack(raw[first:last], gguf_type, grids))
    return out


def interleave_rows(low_rows: Tensor, high_rows: Tensor, out: Tensor) -> None:
    """Puts elements (rows 0..31 and 32..63 of each 64, one a byte, four bytes an int32) into the int4 layout of
    torch's AVX-512 kernel: for each column, byte j holds row j in its low and row j + 32 in its high half.

    low_rows, high_rows: int32 [blocks of 64 rows, 32, groups, columns / 4], values 0..15 a byte
    out: uint8 [blocks of 64 rows, groups, columns, 32]
    """
    pair = low_rows.bitwise_or(high_rows.bitwise_left_shift(4))
    out.copy_(torch.view_copy(pair, dtype=torch.uint8).permute(0, 2, 3, 1))


def scales_and_zeros(scale: Tensor, zero: Tensor) -> Tensor:
    """[rows, groups] each as bfloat16 [groups, rows, 2]: the kernel computes (q - 8) · scale + zero."""
    return torch.stack([scale, zero], 2).to(torch.bfloat16).transpose(0, 1).contiguous()


def repack_int4(raw: Tensor, gguf_type: int, rows: int, columns: int) -> Tuple[Tensor, Tensor]:
    """Q4_0 or Q4_1 in the int4 layout, the nibbles unchanged: uint8 [rows, columns / 2] and scales and zeros
    [columns / 32, rows, 2]. Rows are a multiple of 64."""
    groups = columns // 32
    if gguf_type == gguf_types.Q4_1:
        words = torch.view_copy(raw, dtype=torch.int32).view(rows, groups, 5)
        heads = torch.view_copy(words[:, :, 0].contiguous(), dtype=torch.float16).view(rows, groups, 2).float()
        scale = heads[:, :, 0]
        zero = heads[:, :, 1] + scale * 8.0
        words = words[:, :, 1:]
    else:
        shorts = torch.view_copy(raw, dtype=torch.int16).view(rows, groups, 9)
        scale = torch.view_copy(shorts[:, :, 0].contiguous(), dtype=torch.float16).float()
        zero = torch.zeros_like(scale)
        words = torch.view_copy(shorts[:, :, 1:].contiguous(), dtype=torch.int32)
    nibbles = words.reshape(rows // 64, 2, 32, groups, 4)
    low = nibbles.bitwise_and(0x0F0F0F0F)
    high = nibbles.bitwise_right_shift(4).bitwise_and_(0x0F0F0F0F)
    out = torch.empty([rows // 64, groups, 2, 16, 32], dtype=torch.uint8, device=raw.device)
    interleave_rows(low[:, 0], low[:, 1], out[:, :, 0])
    interleave_rows(high[:, 0], high[:, 1], out[:, :, 1])
    return out.view(rows, columns // 2), scales_and_zeros(scale, zero)


def repack_int4_pair(raw: Tensor, rows: int, columns: int) -> Tuple[Tensor, Tensor]:
    """Q8_0 as two int4 planes side by side, exactly: v = 16 · (v >> 4) + (v & 15). A product with the input given
    twice adds them up. uint8 [rows, columns] and scales and zeros [2 · columns / 32, rows, 2]."""
    groups = columns // 32
    shorts = torch.view_copy(raw, dtype=torch.int16).view(rows, groups, 17)
    scale = torch.view_copy(shorts[:, :, 0].contiguous(), dtype=torch.float16).float()
    words = torch.view_copy(shorts[:, :, 1:].contiguous(), dtype=torch.int32).view(rows // 64, 2, 32, groups, 8)
    low = words.bitwise_and(0x0F0F0F0F)
    # The high half is signed, -8 to 7; the flip of its top bit makes it 0 to 15.
    high = words.bitwise_right_shift(4).bitwise_and_(0x0F0F0F0F).bitwise_xor_(0x08080808)
    out = torch.empty([rows // 64, 2, groups, 32, 32], dtype=torch.uint8, device=raw.device)
    interleave_rows(high[:, 0], high[:, 1], out[:, 0])
    interleave_rows(low[:, 0], low[:, 1], out[:, 1])
    zero = torch.zeros_like(scale)
    scales = scales_and_zeros(torch.cat([scale * 16.0, scale], 1), torch.cat([zero, scale * 8.0], 1))
    return out.view(rows, columns), scales


def repack_quants(raw: Tensor, gguf_type: int, rows: int, columns: int) -> Tuple[Tensor, Tensor]:
    """Q4_K in the int4 layout, as `repack_int4`; Q5_0, Q5_1 and Q5_K as an int4 pair, as `repack_int4_pair`. The quants
    are unchanged: the high plane holds the fifth bit as 16 · (bit - 1), so that its offset is the middle of the values."""
    groups = columns // 32
    q, scale, offset = quants(raw.view(rows, -1), gguf_type)
    words = torch.view_copy(q, dtype=torch.int32).view(rows // 64, 2, 32, groups, 8)
    if gguf_type == gguf_types.Q4_K:
        out = torch.empty([rows // 64, groups, 32, 32], dtype=torch.uint8, device=raw.device)
        interleave_rows(words[:, 0], words[:, 1], out)
        return out.view(rows, columns // 2), scales_and_zeros(scale, offset + scale * 8.0)
    low = words.bitwise_and(0x0F0F0F0F)
    high = words.bitwise_right_shift(4).bitwise_and_(0x0F0F0F0F).add_(0x07070707)
    out = torch.empty([rows // 64, 2, groups, 32, 32], dtype=torch.uint8, device=raw.device)
    interleave_rows(high[:, 0], high[:, 1], out[:, 0])
    interleave_rows(low[:, 0], low[:, 1], out[:, 1])
    zeros = torch.cat([offset + scale * 16.0, scale * 8.0], 1)
    return out.view(rows, columns), scales_and_zeros(torch.cat([scale * 16.0, scale], 1), zeros)


def repack(raw: Tensor, gguf_type: int, rows: int, columns: int) -> Tuple[Tensor, Tensor]:
    """A matrix as int4 if its quants have 4 bits, and as an int4 pair if they have 5 or 8. It is converted piece by piece,
    to bound the temporaries."""
    raw = raw.view(rows, -1)
    weights: List[Tensor] = []
    scales: List[Tensor] = []
    step = rows_per_piece(columns)
    for first in range(0, rows, step):
        last = min(rows, first + step)
        piece = raw[first:last].view(-1)
        if gguf_type == gguf_types.Q8_0:
            w, s = repack_int4_pair(piece, last - first, columns)
        elif gguf_type == gguf_types.Q4_0 or gguf_type == gguf_types.Q4_1:
            w, s = repack_int4(piece, gguf_type, last - first, columns)
        else:
            w, s = repack_quants(piece, gguf_type, last - first, columns)
        weights.append(w)
        scales.append(s)
    return torch.cat(weights, 0), torch.cat(scales, 1)


def unpack_int4(w: Tensor, scales: Tensor) -> Tensor:
    """The values of a repacked matrix, as the kernel reads them: float32 [rows, columns] of int4, and of a pair its two
    planes side by side.

    w: uint8 of a multiple of 64 rows; scales: [groups, rows, 2] of as many
    """
    groups, rows = scales.size(0), scales.size(1)
    bytes = w.reshape(rows // 64, groups, 32, 32)
    out = torch.empty([rows // 64, 2, 32, groups, 32], device=w.device)
    out[:, 0].copy_(bytes.bitwise_and(15).permute(0, 3, 1, 2))
    out[:, 1].copy_(bytes.bitwise_right_shift(4).permute(0, 3, 1, 2))
    factors = scales.float().view(groups, rows // 64, 2, 32, 2).permute(4, 1, 2, 3, 0).contiguous().unsqueeze(5)
    return out.sub_(8.0).mul_(factors[0]).add_(factors[1]).view(rows, groups * 32)
