"""The decoder with its layers in C++ (`src/main/native`), for CPUs: the same methods as `Decoder`. A row's result does not depend on the rows beside it, to the bit, so nothing is different in
deterministic mode.

The operators are there where the worker has loaded the library; to export, only what they are called with must be known.
"""

from typing import List

import torch
from torch import Tensor

from gguf_blocks import rows_per_piece, unpack
from gguf_quants import quants
from steps import Steps

# The same as in ops.cpp. The first argument holds the address of the C++ object.
OPERATORS = """
open(Tensor(a!) decoder, Tensor sizes, float epsilon, int cache, int threads) -> ()
close(Tensor(a!) decoder) -> ()
use_threads(Tensor(a!) decoder, int count) -> ()
put_vector(Tensor(a!) decoder, int kind, Tensor values) -> ()
put_frequencies(Tensor(a!) decoder, Tensor values) -> ()
begin_matrix(Tensor(a!) decoder) -> ()
begin_part(Tensor(a!) decoder, int format, int rows, int columns) -> ()
put_blocks(Tensor(a!) decoder, Tensor bytes, int type, int first, int count) -> ()
put_quants(Tensor(a!) decoder, Tensor quants, Tensor scales, Tensor offsets, int first, int count) -> ()
put_plain(Tensor(a!) decoder, Tensor rows, int first, int count) -> ()
is_finite(Tensor(a!) decoder, Tensor(b!) answer) -> ()
embed(Tensor(a!) decoder, Tensor tokens, Tensor(b!) x) -> ()
forward(Tensor(a!) decoder, Tensor(b!) x, Tensor slots, Tensor positions, int first, int count) -> ()
head(Tensor(a!) decoder, Tensor x, Tensor(b!) logits) -> ()
copy_slot(Tensor(a!) decoder, int source, int target, int length) -> ()
swap_slots(Tensor(a!) decoder, int a, int b, int length) -> ()
"""


# To script what follows, the operators must be known; where the library is loaded they are.
LIBRARY = None
if not hasattr(torch.ops.llmworker, "open"):
    LIBRARY = torch.library.Library("llmworker", "DEF")
    for schema in OPERATORS.strip().splitlines():
        LIBRARY.define(schema)


def native_format(gguf_type: int) -> int:
    """How the C++ side holds a GGUF type: its `Format`."""
    if gguf_type == 2 or gguf_type == 3 or gguf_type == 12:
        return 0
    if gguf_type == 8:
        return 1
    if gguf_type == 6 or gguf_type == 7 or gguf_type == 13:
        return 2
    if gguf_type == 14:
        return 3
    if gguf_type == 0:
        return 4
    assert gguf_type == 1 or gguf_type == 30, "GGUF type " + str(gguf_type) + " has no native form"
    return 5 if gguf_type == 1 else 6


class NativeDecoder(Steps):
    def __init__(self):
        super().__init__()
        self.native = torch.zeros([1], dtype=torch.int64)
        self.vocabulary = 0
        self.stored_bytes = 0

    @torch.jit.export
    def step_bytes(self) -> str:
        """The bytes of matrices that a step reads, as the file has them: the C++ side takes about as many."""
        return str(self.stored_bytes)

    @torch.jit.export
    def configure(
        self, sizes: List[int], epsilon: float, compute: str, cache: str, device: str, deterministic: bool
    ) -> None:
        """sizes: as Decoder's, and the size of the feed-forward block"""
        self.layers, self.hidden, self.heads, self.kv_heads = sizes[0], sizes[1], sizes[2], sizes[3]
        self.head_dim, self.slots, self.max_length = sizes[4], sizes[5], sizes[6]
        self.deterministic = deterministic
        cache_type = 1 if cache == "fp16" else 2
        if cache == "fp32":
            cache_type = 0
        own = torch.tensor(sizes[:5] + [sizes[8]] + sizes[5:7])
        torch.ops.llmworker.open(self.native, own, epsilon, cache_type, 1)

    @torch.jit.export
    def close(self) -> None:
        torch.ops.llmworker.close(self.native)

    @torch.jit.export
    def use_threads(self, count: int) -> None:
        torch.ops.llmworker.use_threads(self.native, count)

    def embed(self, tokens: Tensor) -> Tensor:
        """As the head has it where there is none apart."""
        if self.embedding.numel() > 0:
            return unpack(self.embedding.index_select(0, tokens), self.embedding_type)
        x = torch.empty([tokens.size(0), self.hidden])
        torch.ops.llmworker.embed(self.native, tokens.contiguous(), x)
        return x

    @torch.jit.export
    def put_norm(self, parts: List[Tensor], gguf_type: int) -> None:
        torch.ops.llmworker.put_vector(self.native, 0, self.vector(parts[0], gguf_type))

    @torch.jit.export
    def put_attention_bias(self, parts: List[Tensor], types: List[int]) -> None:
        q, k, v = self.vector(parts[0], types[0]), self.vector(parts[1], types[1]), self.vector(parts[2], types[2])
        torch.ops.llmworker.put_vector(self.native, 1, torch.cat([q, k, v]))

    @torch.jit.export
    def put_head_norms(self, parts: List[Tensor], types: List[int]) -> None:
        q, k = self.vector(parts[0], types[0]), self.vector(parts[1], types[1])
        norms = torch.cat([q.expand(self.heads, -1), k.expand(self.kv_heads, -1)])
        torch.ops.llmworker.put_vector(self.native, 2, norms.view(-1))

    @torch.jit.export
    def put_matrix(
        self, parts: List[Tensor], types: List[int], rows: List[int], columns: int, few: int, many: int, many_from: int
    ) -> None:
        """As Decoder's; there is one form, whatever `few` and `many` say."""
        torch.ops.llmworker.begin_matrix(self.native)
        self.vocabulary = 0
        i = 0
        while i < len(parts):
            held, end, count = native_format(types[i]), i, 0
            while end < len(parts) and native_format(types[end]) == held:
                count += rows[end]
                end += 1
            torch.ops.llmworker.begin_part(self.native, held, count, columns)
            first = 0
            for j in range(i, end):
                self.put_rows(parts[j], types[j], first, rows[j], columns)
                self.stored_bytes += parts[j].numel()
                first += rows[j]
            self.vocabulary += count
            i = end

    @torch.jit.export
    def is_finite(self) -> bool:
        """Whether the scales and offsets of Q4_0, Q4_1 and Q8_0 that were put in all are finite."""
        answer = torch.zeros([1], dtype=torch.int64)
        torch.ops.llmworker.is_finite(self.native, answer)
        return bool(answer.item() == 1)

    def put_rows(self, raw: Tensor, gguf_type: int, first: int, count: int, columns: int) -> None:
        if gguf_type == 2 or gguf_type == 3 or gguf_type == 8:
            torch.ops.llmworker.put_blocks(self.native, raw, gguf_type, first, count)
        elif native_format(gguf_type) > 3:
            torch.ops.llmworker.put_plain(self.native, raw, first, count)
        else:
            raw = raw.view(count, -1)
            step = rows_per_piece(columns)
            for start in range(0, count, step):
                end = min(count, start + step)
                q, scale, offset = quants(raw[start:end], gguf_type)
                torch.ops.llmworker.put_quants(
                    self.native, q.contiguous(), scale.contiguous(), offset.contiguous(), first + start, end - start
                )

    @torch.jit.export
    def build(self, frequencies: List[float]) -> None:
        torch.ops.llmworker.put_frequencies(self.native, torch.tensor(frequencies, dtype=torch.float64))
        self.places = torch.arange(self.max_length)

    def head(self, x: Tensor, rows: int) -> Tensor:
        logits = torch.empty([x.size(0), self.vocabulary])
        torch.ops.llmworker.head(self.native, x, logits)
        return logits

    def decode_step(self, tokens: Tensor, positions: Tensor, max_position: int) -> Tensor:
        n = tokens.size(0)
        x, slots = self.embed(tokens), self.places[:n]
        if len(self.joined_ids) > 0:
            embedded, all_slots, all_positions = [x], [slots], [positions]
            for i, ids in enumerate(self.joined_ids):
                slot, start = self.joined_places[i]
                embedded.append(self.embed(torch.tensor(ids)))
                all_slots.append(torch.full([len(ids)], slot))
                all_positions.append(self.places[start : start + len(ids)])
            self.joined_ids.clear()
            self.joined_places.clear()
            x, slots, positions = torch.cat(embedded), torch.cat(all_slots), torch.cat(all_positions)
        torch.ops.llmworker.forward(self.native, x, slots, positions.contiguous(), 0, n)
        return self.head(x[:n], n)

    @torch.jit.export
    def join(self, ids: List[int], slot: int, start: int) -> None:
        self.joined_ids.append(ids)
        self.joined_places.append([slot, start])

    def prefill_rows(self, ids: List[int], slot: int, start: int, first: int, count: int) -> Tensor:
        """Runs a chunk through the model: what the head takes of `count` rows from `first` on, [count, H]. The last layer is
        spared for the others."""
        x = self.embed(torch.tensor(ids))
        places = self.places[start : start + len(ids)]
        torch.ops.llmworker.forward(self.native, x, torch.full([len(ids)], slot), places, first, count)
        return x[first : first + count]

    @torch.jit.export
    def prefill(self, ids: List[int], slot: int, start: int) -> None:
        self.prefill_rows(ids, slot, start, 0, 0)

    @torch.jit.export
    def prefill_logits(self, ids: List[int], slot: int, start: int, all_rows: bool) -> Tensor:
        n = len(ids)
        x = self.prefill_rows(ids, slot, start, 0, n) if all_rows else self.prefill_rows(ids, slot, start, n - 1, 1)
        return self.head(x, x.size(0))

    @torch.jit.export
    def copy_slot(self, source: int, target: int, length: int) -> None:
        torch.ops.llmworker.copy_slot(self.native, source, target, length)

    @torch.jit.export
    def swap_slots(self, a: int, b: int, length: int) -> None:
        torch.ops.llmworker.swap_slots(self.native, a, b, length)
