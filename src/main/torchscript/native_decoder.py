"""The decoder for CPUs with its layers in C++ (`src/main/native`). It has the same methods as the other programs.

A row's result does not depend on the rows beside it, to the bit. Deterministic mode therefore changes nothing here.

The worker loads the library with the operators. To export the program, only their schemas must be known.
"""

from typing import List

import torch
from torch import Tensor

import gguf_types
import native_formats
import program
from gguf_blocks import plain_numbers
from gguf_codes import block, table
from program import DecoderProgram, Layer

# The same as in ops.cpp. The first argument holds the address of the C++ object.
OPERATORS = """
open(Tensor(a!) decoder, Tensor sizes, float epsilon, int cache, int threads) -> ()
close(Tensor(a!) decoder) -> ()
use_threads(Tensor(a!) decoder, int count) -> ()
unpack(Tensor bytes, int type, Tensor grids, Tensor(a!) numbers) -> ()
add_rope(Tensor(a!) decoder, Tensor frequencies, float strength) -> ()
add_layer(Tensor(a!) decoder, Tensor integers, Tensor numbers) -> ()
allocate(Tensor(a!) decoder) -> ()
put_vector(Tensor(a!) decoder, int layer, int role, Tensor values) -> ()
begin_matrix(Tensor(a!) decoder, int layer, int role) -> ()
begin_part(Tensor(a!) decoder, int format, int rows, int columns, Tensor table) -> ()
put_blocks(Tensor(a!) decoder, Tensor bytes, int type, Tensor grids, int first, int count) -> ()
put_plain(Tensor(a!) decoder, Tensor rows, int first, int count) -> ()
is_finite(Tensor(a!) decoder, Tensor(b!) answer) -> ()
embed(Tensor(a!) decoder, Tensor tokens, Tensor(b!) x) -> ()
forward(Tensor(a!) decoder, Tensor(b!) x, Tensor(c!) inputs, Tensor slots, Tensor positions, int first, int count) -> ()
head(Tensor(a!) decoder, Tensor x, Tensor(b!) logits) -> ()
copy_slot(Tensor(a!) decoder, int source, int target, int length) -> ()
copy_state(Tensor(a!) decoder, int source, int from, int target, int to) -> ()
swap_slots(Tensor(a!) decoder, int a, int b, int length) -> ()
read_positions(Tensor(a!) decoder, Tensor(b!) bytes, int slot, int start, int end) -> ()
write_positions(Tensor(a!) decoder, Tensor bytes, int slot, int start, int end) -> ()
read_state(Tensor(a!) decoder, Tensor(b!) bytes, int slot, int state) -> ()
write_state(Tensor(a!) decoder, Tensor bytes, int slot, int state) -> ()
"""


# The operators must be known before the functions below are scripted. They are if the library is loaded.
LIBRARY = None
if not hasattr(torch.ops.llmworker, "open"):
    LIBRARY = torch.library.Library("llmworker", "DEF")
    for schema in OPERATORS.strip().splitlines():
        LIBRARY.define(schema)


def native_format(gguf_type: int) -> int:
    """How the C++ side holds a matrix of a GGUF type."""
    if gguf_type == gguf_types.Q4_0:
        return native_formats.Q4_CENTRED
    if gguf_type == gguf_types.Q4_1:
        return native_formats.Q4
    if gguf_type == gguf_types.Q4_K:
        return native_formats.Q4_K
    if gguf_type == gguf_types.Q8_0:
        return native_formats.Q8
    if gguf_type == gguf_types.Q5_0:
        return native_formats.Q5_CENTRED
    if gguf_type == gguf_types.Q5_1:
        return native_formats.Q5
    if gguf_type == gguf_types.Q5_K:
        return native_formats.Q5_K
    if gguf_type == gguf_types.Q6_K:
        return native_formats.Q6_K
    if gguf_type == gguf_types.Q2_K:
        return native_formats.Q4_HALF_BLOCKS
    if has_scales_of_16(gguf_type):
        return native_formats.CODES_HALF_BLOCKS
    if len(table(gguf_type)) > 0:
        return native_formats.CODES
    if gguf_type == gguf_types.F32:
        return native_formats.F32
    if gguf_type == gguf_types.F16:
        return native_formats.F16
    assert gguf_type == gguf_types.BF16, "GGUF type " + str(gguf_type) + " has no native format"
    return native_formats.BF16


def has_scales_of_16(gguf_type: int) -> bool:
    """Of types with codes."""
    if gguf_type == gguf_types.Q3_K or gguf_type == gguf_types.IQ1_M:
        return True
    return gguf_type == gguf_types.IQ2_XS or gguf_type == gguf_types.IQ2_S


def is_plain(gguf_type: int) -> bool:
    return gguf_type == gguf_types.F32 or gguf_type == gguf_types.F16 or gguf_type == gguf_types.BF16


class NativeDecoder(DecoderProgram):
    vector_roles: List[str]
    matrix_roles: List[str]
    head_norms: List[str]
    activations: List[str]

    def __init__(self):
        super().__init__()
        # TorchScript sees lists of its modules, but not of others.
        self.vector_roles, self.matrix_roles = native_formats.VECTOR_ROLES, native_formats.MATRIX_ROLES
        self.head_norms, self.activations = native_formats.HEAD_NORMS, native_formats.ACTIVATIONS
        self.rows_are_independent = True
        self.native = torch.zeros([1], dtype=torch.int64)
        self.no_inputs = torch.zeros(0)
        self.output_norm = torch.zeros(0)  # [H], once more for vectors of texts
        self.stored_bytes = 0

    # Loading.

    @torch.jit.export
    def allocate(self) -> None:
        cache_type = native_formats.CACHE_BF16
        if self.cache_type == "fp32":
            cache_type = native_formats.CACHE_F32
        elif self.cache_type == "fp16":
            cache_type = native_formats.CACHE_F16
        elif self.cache_type == "q8":
            cache_type = native_formats.CACHE_Q8
        sizes = torch.tensor([self.hidden, self.vocabulary, self.slots, self.max_length, self.layer_input])
        torch.ops.llmworker.open(self.native, sizes, self.epsilon, cache_type, 1)
        for rope in self.ropes:
            frequencies = torch.tensor(rope.frequencies, dtype=torch.float64)
            torch.ops.llmworker.add_rope(self.native, frequencies, rope.strength)
        for layer in self.described:
            self.add_native_layer(layer)
        torch.ops.llmworker.allocate(self.native)

    def add_native_layer(self, d: Layer) -> None:
        """In the order in which ops.cpp reads the members."""
        integers = [d.heads, d.kv_heads, d.head_dim, d.window, d.ring, d.keys_of, d.rope, d.growth_length, d.width]
        integers += [d.experts, d.used_experts, d.shared_width, d.kernel, d.key_dim, int(d.gated)]
        integers += [int(d.bidirectional), int(d.tiled)]
        integers += [int(d.norms != "after"), int(d.norms != "before")]
        integers += [int(d.softmax_of_chosen), int(d.normalised)]
        integers += [self.head_norms.index(d.head_norm), self.activations.index(d.activation)]
        numbers = [d.scale, d.cap, d.residual_scale, d.experts_scale, d.growth_beta]
        torch.ops.llmworker.add_layer(self.native, torch.tensor(integers), torch.tensor(numbers, dtype=torch.float64))

    @torch.jit.export
    def close(self) -> None:
        torch.ops.llmworker.close(self.native)

    @torch.jit.export
    def use_threads(self, count: int) -> None:
        torch.ops.llmworker.use_threads(self.native, count)

    def add_vector(self, layer: int, role: str, values: Tensor) -> None:
        torch.ops.llmworker.put_vector(self.native, layer, self.vector_roles.index(role), values.contiguous())

    def add_output_norm(self, weights: Tensor) -> None:
        self.output_norm = weights
        self.add_vector(program.HEAD, "output_norm", weights)

    @torch.jit.export
    def put_matrix(
        self,
        layer: int,
        role: str,
        parts: List[Tensor],
        types: List[int],
        rows: List[int],
        columns: int,
        few: int,
        many: int,
        many_from: int,
    ) -> None:
        """There is one layout, for any number of rows. Adjacent parts of the same format and table are put in as one."""
        torch.ops.llmworker.begin_matrix(self.native, layer, self.matrix_roles.index(role))
        # Of the experts a step reads a part.
        experts = self.described[layer].experts if role == "gate_up" or role == "down" else 0
        used = self.described[layer].used_experts if experts > 0 else 1
        i = 0
        while i < len(parts):
            held, numbers, end, count = native_format(types[i]), table(types[i]), i, 0
            while end < len(parts) and native_format(types[end]) == held and table(types[end]) == numbers:
                count += rows[end]
                end += 1
            torch.ops.llmworker.begin_part(self.native, held, count, columns, torch.tensor(numbers, dtype=torch.int8))
            first = 0
            for j in range(i, end):
                self.put_rows(parts[j], types[j], first, rows[j])
                self.stored_bytes += parts[j].numel() * used // max(1, experts)
                first += rows[j]
            i = end

    def put_rows(self, raw: Tensor, gguf_type: int, first: int, count: int) -> None:
        if is_plain(gguf_type):
            torch.ops.llmworker.put_plain(self.native, raw, first, count)
        else:
            torch.ops.llmworker.put_blocks(self.native, raw, gguf_type, self.grids, first, count)

    @torch.jit.export
    def is_finite(self) -> bool:
        """Whether all scales and offsets of the blocks that were put in are finite as they are held."""
        answer = torch.zeros([1], dtype=torch.int64)
        torch.ops.llmworker.is_finite(self.native, answer)
        return bool(answer.item() == 1)

    @torch.jit.export
    def build(self) -> None:
        self.places = torch.arange(self.max_length)

    @torch.jit.export
    def step_bytes(self) -> int:
        """The bytes in the file. The C++ side takes about as many."""
        return self.stored_bytes

    # Running.

    def numbers(self, raw: Tensor, gguf_type: int) -> Tensor:
        if is_plain(gguf_type):
            return plain_numbers(raw, gguf_type)
        elements, size = block(gguf_type)
        return self.unpacked(raw, gguf_type, raw.size(1) // size * elements)

    def unpacked(self, raw: Tensor, gguf_type: int, columns: int) -> Tensor:
        """`numbers`, of blocks."""
        x = torch.empty([raw.size(0), columns])
        torch.ops.llmworker.unpack(raw, gguf_type, self.grids, x)
        return x

    def embed(self, tokens: Tensor) -> Tensor:
        """If the model has no embedding of its own, the rows of the head."""
        if self.embedding.numel() > 0:
            raw = self.embedding.index_select(0, tokens)
            if is_plain(self.embedding_type):
                x = plain_numbers(raw, self.embedding_type)
            else:
                x = self.unpacked(raw, self.embedding_type, self.hidden)
        else:
            x = torch.empty([tokens.size(0), self.hidden])
            torch.ops.llmworker.embed(self.native, tokens.contiguous(), x)
        return x if self.embedding_scale == 1.0 else x.mul_(self.embedding_scale)

    def run(self, tokens: Tensor, slots: Tensor, positions: Tensor, first: int, count: int) -> Tensor:
        """Runs tokens [n] through all layers. The result [n, H] is complete from row `first` on, for `count` rows."""
        x = self.embed(tokens)
        inputs = self.embed_for_layers(tokens) if self.layer_input > 0 else self.no_inputs
        torch.ops.llmworker.forward(self.native, x, inputs, slots, positions.contiguous(), first, count)
        return x

    def head(self, x: Tensor) -> Tensor:
        logits = torch.empty([x.size(0), self.vocabulary])
        torch.ops.llmworker.head(self.native, x, logits)
        return self.bounded(logits)

    @torch.jit.export
    def place_rows(self, slots: List[int]) -> None:
        """The rows of the next decode step are in these slots. The rows of a slot are next to each other, at positions one after
        the other: each sees those before it, as in a prompt."""
        self.row_slots.clear()
        self.row_slots.extend(slots)

    def decode_step(self, tokens: Tensor, positions: Tensor, chunk_tokens: Tensor, max_position: int) -> Tensor:
        n = tokens.size(0)
        slots = self.places[:n]
        if len(self.row_slots) > 0:
            assert len(self.row_slots) == n, "a step has " + str(n) + " rows, and slots of " + str(len(self.row_slots))
            slots = torch.tensor(self.row_slots)
        if chunk_tokens.size(0) > 0:
            all_slots, all_positions = [slots], [positions]
            for slot, start, length in self.chunk_places:
                all_slots.append(torch.full([length], slot))
                all_positions.append(self.places[start : start + length])
            tokens, slots, positions = torch.cat([tokens, chunk_tokens]), torch.cat(all_slots), torch.cat(all_positions)
        return self.head(self.run(tokens, slots, positions, 0, n)[:n])

    def run_chunk(self, tokens: Tensor, slot: int, start: int, first: int) -> Tensor:
        """The layers behind the last keys and values are only computed for the rows from `first` on."""
        n = tokens.size(0)
        return self.run(tokens, torch.full([n], slot), self.places[start : start + n], first, n - first)[first:]

    def run_parts(self, tokens: Tensor, places: List[List[int]]) -> Tensor:
        all_slots: List[Tensor] = []
        all_positions: List[Tensor] = []
        for slot, start, length in places:
            all_slots.append(torch.full([length], slot))
            all_positions.append(self.places[start : start + length])
        return self.run(tokens, torch.cat(all_slots), torch.cat(all_positions), 0, tokens.size(0))

    def last_normed(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(1, True) + self.epsilon) * self.output_norm

    @torch.jit.export
    def copy_slot(self, source: int, target: int, length: int) -> None:
        torch.ops.llmworker.copy_slot(self.native, source, target, length)

    @torch.jit.export
    def copy_state(self, source: int, from_state: int, target: int, to_state: int) -> None:
        torch.ops.llmworker.copy_state(self.native, source, from_state, target, to_state)

    @torch.jit.export
    def swap_slots(self, a: int, b: int, length: int) -> None:
        torch.ops.llmworker.swap_slots(self.native, a, b, length)

    @torch.jit.export
    def read_positions(self, slot: int, start: int, end: int, to: List[Tensor]) -> None:
        torch.ops.llmworker.read_positions(self.native, to[0], slot, start, end)

    @torch.jit.export
    def write_positions(self, slot: int, start: int, end: int, source: List[Tensor]) -> None:
        torch.ops.llmworker.write_positions(self.native, source[0], slot, start, end)

    @torch.jit.export
    def read_state(self, slot: int, state: int, to: List[Tensor]) -> None:
        torch.ops.llmworker.read_state(self.native, to[0], slot, state)

    @torch.jit.export
    def write_state(self, slot: int, state: int, source: List[Tensor]) -> None:
        torch.ops.llmworker.write_state(self.native, source[0], slot, state)

    @torch.jit.export
    def clear_slot(self, slot: int, length: int) -> None:
        """Nothing reads positions behind a sequence."""
