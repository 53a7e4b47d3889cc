"""Keys and values of the positions that have been through the model, by layer and slot."""

from typing import List

import torch
from torch import Tensor


class KvCache(torch.nn.Module):
    keys: List[Tensor]
    values: List[Tensor]

    def __init__(self):
        super().__init__()
        self.length = 0
        # Keys lie transposed: a step's scores then read them along their rows, which long contexts need.
        self.keys = []  # per layer [slots · G, D, length]
        self.values = []  # per layer [slots · G, length, D]
        # The same memory as a whole: [layers, slots, G, D, length] and [layers, slots, G, length, D].
        self.all_keys = torch.zeros(0)
        self.all_values = torch.zeros(0)
        # Where position 0 of each slot lies: [slots, G · D] in elements of `keys`, [slots, G] in rows of `values`.
        self.key_starts = torch.zeros(0, dtype=torch.int64)
        self.value_starts = torch.zeros(0, dtype=torch.int64)

    def allocate(
        self, layers: int, slots: int, heads: int, dim: int, length: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.length = length
        # One allocation of fresh pages, which the system hands out, all zero, as they are first touched; it is made before
        # any other large one. A smaller one may be reused memory, and what happens to lie there must be finite: a weight of
        # 0 does not silence a NaN. 32 MB is the most that glibc serves from its heap.
        whole = torch.empty([2, layers, slots * heads * dim * length], dtype=dtype, device=device)
        if whole.numel() * whole.element_size() <= 2**25 or device.type != "cpu":
            whole.zero_()
        self.all_keys = whole[0].view(layers, slots, heads, dim, length)
        self.all_values = whole[1].view(layers, slots, heads, length, dim)
        for i in range(layers):
            self.keys.append(self.all_keys[i].flatten(0, 1))
            self.values.append(self.all_values[i].flatten(0, 1))
        self.key_starts = torch.arange(slots * heads * dim, device=device).view(slots, -1) * length
        self.value_starts = torch.arange(slots * heads, device=device).view(slots, -1) * length

    def copy_slot(self, source: int, target: int, length: int) -> None:
        """Copies the first `length` positions of a slot to another."""
        self.all_keys[:, target, :, :, :length].copy_(self.all_keys[:, source, :, :, :length])
        self.all_values[:, target, :, :length].copy_(self.all_values[:, source, :, :length])

    def swap_slots(self, a: int, b: int, length: int) -> None:
        """Exchanges the first `length` positions of two slots, layer by layer to bound the temporaries."""
        for layer in range(self.all_keys.size(0)):
            keys, values = self.all_keys[layer], self.all_values[layer]
            k, v = keys[a, :, :, :length].clone(), values[a, :, :length].clone()
            keys[a, :, :, :length].copy_(keys[b, :, :, :length])
            values[a, :, :length].copy_(values[b, :, :length])
            keys[b, :, :, :length].copy_(k)
            values[b, :, :length].copy_(v)
