"""The KV cache of `decoder.py`: keys and values by layer, slot and position. And constants of that of `dense_decoder.py`."""

from typing import Final, List

import torch
from torch import Tensor

# `dense.pt` exchanges slots by at most so many numbers at a time, or by one position or state if that has more.
EXCHANGED_AT_ONCE: Final[int] = 2**21
# Positions of a page. The worker has the same number.
PAGE: Final[int] = 256
# Pieces that attention takes at once, unless one row has more. Each takes a copy of its row's queries, and a result.
MOST_PIECES: Final[int] = 8192
# Pieces that plain operators take at once: they copy the pages.
PLAIN_PIECES: Final[int] = 32
# More than any position.
BEHIND_ALL: Final[int] = 2**40


class KvCache(torch.nn.Module):
    key_blocks: List[List[Tensor]]
    keys: List[Tensor]
    values: List[Tensor]

    def __init__(self):
        super().__init__()
        self.length = 0
        self.block = 1
        # Keys are stored transposed, `block` positions at a time. A step's scores then read them along their rows, which
        # long contexts need, and a short sequence touches no more pages than it fills. The last block may be narrower.
        self.key_blocks = []  # per layer and block [slots · G, D, positions]
        self.keys = []  # the same per layer, flat
        self.values = []  # per layer [slots · G, length, D]
        # The same memory as a whole: [layers, all that a layer has] and [layers, slots, G, length, D].
        self.all_keys = torch.zeros(0)
        self.all_values = torch.zeros(0)
        self.slots = 0
        self.heads = 0
        self.dim = 0
        # The place of a key in a layer is `key_bases` + the row · `key_strides`, both by position; the row is
        # `key_rows` [slots, G · D]. The place of its values is `value_starts` [slots, G] + the position, in rows.
        none = torch.zeros(0, dtype=torch.int64)
        self.key_bases = none
        self.key_strides = none
        self.key_rows = none
        self.value_starts = none

    def allocate(
        self,
        layers: int,
        slots: int,
        heads: int,
        dim: int,
        length: int,
        block: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.length, self.block, self.slots, self.heads, self.dim = length, max(1, block), slots, heads, dim
        # One allocation of fresh pages, made before any other large one. The system hands out each page, all zero, when it
        # is first touched. An allocation of up to 32 MB may be reused memory, because glibc serves it from its heap. It
        # is cleared: values must be finite, because a weight of 0 does not remove a NaN.
        whole = torch.empty([2, layers, slots * heads * dim * length], dtype=dtype, device=device)
        if whole.numel() * whole.element_size() <= 2**25 or device.type != "cpu":
            whole.zero_()
        self.all_keys = whole[0]
        self.all_values = whole[1].view(layers, slots, heads, length, dim)
        for i in range(layers):
            blocks: List[Tensor] = []
            for b in range(self.blocks(length)):
                blocks.append(self.block_of_all(b)[i].flatten(0, 1))
            self.key_blocks.append(blocks)
            self.keys.append(self.all_keys[i])
            self.values.append(self.all_values[i].flatten(0, 1))
        rows = slots * heads * dim
        places = torch.arange(length, device=device)
        starts = places // self.block * self.block
        self.key_bases = starts * rows + places - starts
        self.key_strides = torch.clamp(length - starts, max=self.block)
        self.key_rows = torch.arange(rows, device=device).view(slots, -1)
        self.value_starts = torch.arange(slots * heads, device=device).view(slots, -1) * length

    def blocks(self, length: int) -> int:
        """How many blocks the first `length` positions are in."""
        return (length + self.block - 1) // self.block

    def width(self, b: int, length: int) -> int:
        """How many of the first `length` positions are in block b."""
        return min(self.block, length - b * self.block)

    def block_of_all(self, b: int) -> Tensor:
        """Block b of all keys: [layers, slots, G, D, positions]."""
        rows, width = self.slots * self.heads * self.dim, self.width(b, self.length)
        block = self.all_keys.narrow(1, b * self.block * rows, rows * width)
        return block.view(block.size(0), self.slots, self.heads, self.dim, width)

    def key_places(self, positions: Tensor) -> Tensor:
        """The places in `keys` of a key for the position of each slot: [n · G · D]."""
        bases = self.key_bases.index_select(0, positions).unsqueeze(1)
        strides = self.key_strides.index_select(0, positions).unsqueeze(1)
        return (bases + self.key_rows[: positions.size(0)] * strides).view(-1)

    def value_places(self, positions: Tensor) -> Tensor:
        """The same for `values`, in rows: [n · G]."""
        return (self.value_starts[: positions.size(0)] + positions.unsqueeze(1)).view(-1)

    def put_keys(self, layer: int, slot: int, start: int, k: Tensor) -> None:
        """Writes keys [G, n, D] to positions start, start + 1, … of a slot."""
        at, end = start, start + k.size(1)
        while at < end:
            b = at // self.block
            first = b * self.block
            until = min(end, first + self.block)
            block = self.key_blocks[layer][b][slot * self.heads : (slot + 1) * self.heads]
            block[:, :, at - first : until - first].copy_(k[:, at - start : until - start].transpose(1, 2))
            at = until

    def slot_keys(self, layer: int, slot: int, length: int) -> Tensor:
        """The first `length` keys of a slot: [G, length, D]."""
        parts: List[Tensor] = []
        for b in range(self.blocks(length)):
            block = self.key_blocks[layer][b][slot * self.heads : (slot + 1) * self.heads]
            parts.append(block[:, :, : self.width(b, length)].transpose(1, 2))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def read_slot(self, slot: int, start: int, end: int, keys: Tensor, values: Tensor) -> None:
        """Copies positions `start` to `end`, exclusive, to the same ones of keys [layers, G, D, positions] and of values
        [layers, G, positions, D]."""
        at = start
        while at < end:
            b = at // self.block
            first = b * self.block
            until = min(end, first + self.block)
            keys[:, :, :, at:until].copy_(self.block_of_all(b)[:, slot, :, :, at - first : until - first])
            at = until
        values[:, :, start:end].copy_(self.all_values[:, slot, :, start:end])

    def write_slot(self, slot: int, start: int, end: int, keys: Tensor, values: Tensor) -> None:
        """As `read_slot`, the other way."""
        at = start
        while at < end:
            b = at // self.block
            first = b * self.block
            until = min(end, first + self.block)
            self.block_of_all(b)[:, slot, :, :, at - first : until - first].copy_(keys[:, :, :, at:until])
            at = until
        self.all_values[:, slot, :, start:end].copy_(values[:, :, start:end])

    def of_positions(self, slot: int, start: int, end: int) -> List[Tensor]:
        """Where positions `start` to `end`, exclusive, of a slot are: keys, block by block, and values."""
        parts: List[Tensor] = []
        at = start
        while at < end:
            b = at // self.block
            first = b * self.block
            until = min(end, first + self.block)
            parts.append(self.block_of_all(b)[:, slot, :, :, at - first : until - first])
            at = until
        parts.append(self.all_values[:, slot, :, start:end])
        return parts

    def copy_slot(self, source: int, target: int, length: int) -> None:
        """Copies the first `length` positions of a slot to another."""
        for b in range(self.blocks(length)):
            block, width = self.block_of_all(b), self.width(b, length)
            block[:, target, :, :, :width].copy_(block[:, source, :, :, :width])
        self.all_values[:, target, :, :length].copy_(self.all_values[:, source, :, :length])

    def clear_slot(self, slot: int, length: int) -> None:
        """Sets the first `length` positions of a slot to 0."""
        for b in range(self.blocks(length)):
            self.block_of_all(b)[:, slot, :, :, : self.width(b, length)].zero_()
        self.all_values[:, slot, :, :length].zero_()

    def swap_slots(self, a: int, b: int, length: int) -> None:
        """Exchanges the first `length` positions of two slots, block by block to bound the temporaries."""
        numbers = self.all_values.size(0) * self.heads * self.dim * min(self.block, length)
        spare = torch.empty([numbers], dtype=self.all_values.dtype, device=self.all_values.device)
        for i in range(self.blocks(length)):
            block, width = self.block_of_all(i), self.width(i, length)
            exchange(block[:, a, :, :, :width], block[:, b, :, :, :width], spare)
            values = self.all_values[:, :, :, i * self.block : i * self.block + width]
            exchange(values[:, a], values[:, b], spare)


def exchange(a: Tensor, b: Tensor, spare: Tensor) -> None:
    """Exchanges the values of two tensors, and takes no memory: slots change places also after memory has run out.

    spare: flat, of a type that holds these values exactly; at least as long as one row of the first dimension
    """
    rows = spare.numel() // max(1, a.numel() // max(1, a.size(0)))
    for first in range(0, a.size(0), rows):
        x, y = a[first : first + rows], b[first : first + rows]
        kept = spare[: x.numel()].view(x.size())
        kept.copy_(x)
        x.copy_(y)
        y.copy_(kept)
