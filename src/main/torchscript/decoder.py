"""The decoder for CPUs with the operators of libtorch, for the Llama family: RMSNorm, rotary positions, grouped-query
attention and SwiGLU, with the biases of Qwen 2 and the head norms of Qwen 3. It is a TorchScript program without weights.
`export.py` writes it to the worker's resources. The worker puts in the weights of a file.

Rotary positions turn neighbouring values as complex pairs. GGUF orders the rows of a Llama's queries and keys this way.
The worker reorders those of other models.

Shapes: n rows (tokens) of `hidden` H values; A query heads and G key-value heads of D values; V token ids.
"""

from typing import List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

import layouts
from gguf_blocks import repack, rows_per_piece, unpack, unpack_int4, unpack_matrix
from kv_cache import KvCache
from program import DecoderProgram
from weights import Types, bytes_of, rope_angles, swiglu


def matmul_dense(x: Tensor, w: Tensor) -> Tensor:
    return F.linear(x.to(w.dtype), w)


def matmul_packed(x: Tensor, w: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x.to(torch.bfloat16), w, None, "none", [], "")


def matmul_int4(x: Tensor, w: Tensor, scales: Tensor) -> Tensor:
    return torch._weight_int4pack_mm_for_cpu(x.to(torch.bfloat16), w, 32, scales)


def matmul_int4_pair(x: Tensor, w: Tensor, scales: Tensor) -> Tensor:
    x = x.to(torch.bfloat16)
    return torch._weight_int4pack_mm_for_cpu(torch.cat([x, x], 1), w, 32, scales)


def matmul(x: Tensor, w: Tensor, scales: Tensor, layout: int) -> Tensor:
    """x [n, in] times the transpose of a held matrix [out, in]."""
    if layout == layouts.INT4:
        return matmul_int4(x, w, scales)
    elif layout == layouts.PACKED_BF16:
        return matmul_packed(x, w)
    elif layout == layouts.INT4_PAIR:
        return matmul_int4_pair(x, w, scales)
    return matmul_dense(x, w)


def is_int4(layout: int) -> bool:
    return layout == layouts.INT4 or layout == layouts.INT4_PAIR


def pack_bfloat16(w: Tensor) -> Tensor:
    # oneDNN packs for products with about 128 rows.
    return torch.ops.mkldnn._reorder_linear_weight(w, 128)


class Decoder(Types, DecoderProgram):
    few_weights: List[Tensor]
    few_scales: List[Tensor]
    few_layouts: List[int]
    many_weights: List[Tensor]
    many_scales: List[Tensor]
    many_layouts: List[int]
    many_from: List[int]
    packs: List[bool]
    norms: List[Tensor]
    biases: List[Tensor]
    head_norms: List[Tensor]

    def __init__(self):
        super().__init__()
        none = torch.zeros(0)
        # In deterministic mode, prompts always use the layout for many rows and decode steps the one for few. All else
        # that would differ with the number of rows or positions is done in pieces.
        #
        # Matrices in the order of use. Each has a layout for few rows (steps) and one for many (prompts, large
        # batches), which may be the same. If a matrix `packs`, `pack` makes the one for many from the one for few.
        # Until then, the one for few is used for both.
        self.few_weights = []
        self.few_scales = []
        self.few_layouts = []
        self.many_weights = []
        self.many_scales = []
        self.many_layouts = []
        self.many_from = []
        self.packs = []
        # The matrix that `pack` is at, its rows in bfloat16, and how many of them are done.
        self.packing = 0
        self.unpacked = none
        self.unpacked_rows = 0
        # A chunk of fewer tokens in slot 0 takes the layout for few rows, packed or not.
        self.long_chunk = 0
        self.cache = KvCache()
        # A float32 copy of slot 0 for steps of one row: oneDNN's bfloat16 products cost 15 µs each before they start,
        # MKL's float32 ones 5. Positions from `lone_from` to `lone_to` are only in the copy, those before it in both
        # caches. 0 and 0 means that nothing is only in the copy.
        self.lone = KvCache()
        self.lone_from = 0
        self.lone_to = 0
        self.heads = 0
        self.kv_heads = 0
        self.head_dim = 0
        # For each layer attention and feed-forward, then the head's: [H] float32, times the square root of H.
        self.norms = []
        # If the model has them, for each layer: of query|key|value, [(A + 2 · G) · D]; and of the heads of queries and
        # keys, [A + G, D] float32, times the square root of D.
        self.biases = []
        self.head_norms = []
        self.head_norm_epsilon = none  # [1, 1, 1], times the square root of D
        self.rotations = none  # complex [max_length, D / 2]
        self.norm_epsilon = none  # [1, 1], times the square root of H

    # Loading.

    @torch.jit.export
    def allocate(self) -> None:
        """All layers are as those of Llama, Qwen 2 or Qwen 3, and are the same."""
        first = self.described[0]
        self.heads, self.kv_heads, self.head_dim = first.heads, first.kv_heads, first.head_dim
        self.set_types()
        self.head_norm_epsilon = torch.full([1, 1, 1], (self.head_dim * self.epsilon) ** 0.5, device=self.device)
        self.norm_epsilon = torch.full([1, 1], (self.hidden * self.epsilon) ** 0.5, device=self.device)
        layers, heads, dim = self.layers, self.kv_heads, self.head_dim
        self.cache.allocate(layers, self.slots, heads, dim, self.max_length, 256, self.cache_dtype, self.device)
        # One block for all positions takes the fewest operators.
        length = self.lone_length
        self.lone.allocate(layers, 1, heads, dim, length, length, torch.float32, self.device)

    @torch.jit.export
    def int4_available(self) -> bool:
        """Whether this machine's int4 kernel reads the layout that `repack` writes (AVX-512's)."""
        raw = torch.arange(64 * 18, dtype=torch.int64).mul_(37).remainder_(251).to(torch.uint8)
        # float16 scales of 1.0, so that the values are exact.
        blocks = raw.view(64, 18)
        blocks[:, 0].fill_(0)
        blocks[:, 1].fill_(0x3C)
        ours, _ = repack(raw, 2, 64, 32)
        plain = unpack(blocks, 2, self.grids).add_(8.0).to(torch.int32)
        return torch.equal(ours, torch._convert_weight_to_int4pack_for_cpu(plain, 1))

    @torch.jit.export
    def packing_available(self) -> bool:
        """Whether oneDNN multiplies bfloat16 on this machine."""
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()

    def add_vector(self, layer: int, role: str, values: Tensor) -> None:
        if role == "qkv_bias":
            self.biases.append(values)
        elif role == "head_norms":
            self.head_norms.append(values.view(-1, self.head_dim) * float(self.head_dim) ** 0.5)
        else:
            assert role.endswith("norm"), "decoder.pt has no " + role
            self.norms.append(values * float(self.hidden) ** 0.5)

    def add_output_norm(self, weights: Tensor) -> None:
        self.norms.append(weights * float(self.hidden) ** 0.5)

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
        """If bfloat16 is wanted beside int4, `pack` makes it later."""
        w, s = self.hold(parts, types, rows, columns, few)
        self.few_weights.append(w)
        self.few_scales.append(s)
        self.few_layouts.append(few)
        packs = many == layouts.PACKED_BF16 and is_int4(few)
        self.packs.append(packs)
        if many != few and not packs:
            w, s = self.hold(parts, types, rows, columns, many)
        self.many_weights.append(w)
        self.many_scales.append(s)
        self.many_layouts.append(few if packs else many)
        self.many_from.append(many_from)

    def hold(
        self, parts: List[Tensor], types: List[int], rows: List[int], columns: int, layout: int
    ) -> Tuple[Tensor, Tensor]:
        weights: List[Tensor] = []
        scales: List[Tensor] = []
        for i in range(len(parts)):
            raw = parts[i].to(self.device)
            if is_int4(layout):
                w, s = repack(raw, types[i], rows[i], columns)
                scales.append(s)
            else:
                dtype = torch.bfloat16 if layout == layouts.PACKED_BF16 else self.compute_dtype
                w = unpack_matrix(raw, types[i], self.grids, rows[i], columns, dtype)
            weights.append(w)
        whole = torch.cat(weights, 0) if len(weights) > 1 else weights[0]
        if layout == layouts.PACKED_BF16:
            whole = pack_bfloat16(whole)
        return whole, torch.cat(scales, 1) if len(scales) > 0 else torch.zeros(0)

    @torch.jit.export
    def build(self) -> None:
        angles = rope_angles(self.max_length, self.ropes[0].frequencies)
        # Values that do not turn.
        angles = F.pad(angles, [0, self.head_dim // 2 - angles.size(1)])
        # Queries and keys are both scaled by the fourth root of 1/D, so that scores are scaled by its square root.
        turns = torch.polar(torch.full_like(angles, self.head_dim**-0.25), angles)
        self.rotations = turns.to(torch.complex64).to(self.device)
        self.places = torch.arange(self.max_length, device=self.device)

    @torch.jit.export
    def step_bytes(self) -> int:
        return bytes_of(self.few_weights) + bytes_of(self.few_scales)

    # The bfloat16 copy for many rows, made when it is worth its memory.

    @torch.jit.export
    def packs_megabytes(self) -> int:
        """The memory that the whole copy takes, rounded up."""
        elements = 0
        for i in range(len(self.packs)):
            if self.packs[i]:
                elements += self.few_weights[i].numel() * (2 if self.few_layouts[i] == layouts.INT4 else 1)
        return (elements * 2 + 999999) // 1000000

    @torch.jit.export
    def pack_late(self, long_chunk: int) -> None:
        """`pack` will be called between other calls, and `unpack` as well."""
        self.long_chunk = long_chunk

    @torch.jit.export
    def pack(self, elements: int) -> bool:
        """Makes about `elements` more of the copy. Returns whether there is more to do."""
        while self.packing < len(self.packs):
            if elements <= 0:
                return True
            if self.packs[self.packing]:
                elements -= self.pack_rows(self.packing)
            else:
                self.packing += 1
        return False

    def pack_rows(self, i: int) -> int:
        """Makes some rows of a matrix. Returns how many elements they are."""
        scales = self.few_scales[i]
        rows, planes = scales.size(1), 1 if self.few_layouts[i] == layouts.INT4 else 2
        columns = scales.size(0) * 32 // planes
        first = self.unpacked_rows
        last = min(rows, first + rows_per_piece(columns))
        if first == 0:
            self.unpacked = torch.empty([rows, columns], dtype=torch.bfloat16)
        w = unpack_int4(self.few_weights[i][first:last], scales[:, first:last])
        if planes == 2:
            w = w[:, :columns] + w[:, columns:]
        self.unpacked[first:last].copy_(w)
        self.unpacked_rows = last
        if last == rows:
            self.many_weights[i] = pack_bfloat16(self.unpacked)
            self.many_layouts[i] = layouts.PACKED_BF16
            self.unpacked = torch.zeros(0)
            self.unpacked_rows = 0
            self.packing += 1
        return (last - first) * columns

    @torch.jit.export
    def unpack(self) -> None:
        """Drops the copy."""
        for i in range(len(self.packs)):
            if self.packs[i]:
                self.many_weights[i] = self.few_weights[i]
                self.many_layouts[i] = self.few_layouts[i]
        self.packing = 0
        self.unpacked = torch.zeros(0)
        self.unpacked_rows = 0

    # The parts of a layer.

    def project(self, x: Tensor, matrix: int, rule: int) -> Tensor:
        """x [n, in] times a matrix. rule: one of `layouts`, which of the matrix's two layouts to take"""
        if rule == layouts.ROW_BY_ROW and self.few_layouts[matrix] == layouts.DENSE:
            return torch.cat([matmul_dense(row, self.few_weights[matrix]) for row in x.split(1)])
        if rule == layouts.MANY or rule == layouts.BY_ROWS and x.size(0) >= self.many_from[matrix]:
            return matmul(x, self.many_weights[matrix], self.many_scales[matrix], self.many_layouts[matrix])
        return matmul(x, self.few_weights[matrix], self.few_scales[matrix], self.few_layouts[matrix])

    def norm(self, x: Tensor, i: int) -> Tensor:
        """RMSNorm of x [n, H] in four operators; the weight carries the square root of H."""
        length = torch.linalg.vector_norm(x, 2, [1], True)
        return torch.div(x, torch.hypot(length, self.norm_epsilon)).mul_(self.norms[i])

    def apply_rope(self, qk: Tensor, rotations: Tensor) -> Tensor:
        """Queries and keys float32 [n, A + G, D], turned by the rotations of their positions."""
        pairs = torch.view_as_complex(qk.view(qk.size(0), qk.size(1), -1, 2))
        return torch.view_as_real(pairs * rotations).view(qk.size(0), qk.size(1), self.head_dim)

    def attention_inputs(
        self, x: Tensor, layer: int, rotations: Tensor, rule: int, dtype: torch.dtype
    ) -> Tuple[Tensor, Tensor]:
        """Queries and keys with rotary positions, [n, A + G, D], and values [n, G, D], in the cache's type."""
        n, turning = x.size(0), self.heads + self.kv_heads
        qkv = self.project(self.norm(x, 2 * layer), 4 * layer, rule)
        if len(self.biases) > 0:
            qkv = qkv.float() + self.biases[layer]
        qkv = qkv.view(n, -1, self.head_dim)
        if dtype == torch.float32:
            qkv = qkv.to(dtype)
        qk = qkv[:, :turning].float()
        if len(self.head_norms) > 0:
            length = torch.linalg.vector_norm(qk, 2, [2], True)
            qk = torch.div(qk, torch.hypot(length, self.head_norm_epsilon)).mul_(self.head_norms[layer])
        return self.apply_rope(qk, rotations).to(dtype), qkv[:, turning:].to(dtype)

    def feed_forward_block(self, x: Tensor, layer: int, rule: int) -> None:
        gate_up = self.project(self.norm(x, 2 * layer + 1), 4 * layer + 2, rule)
        x.add_(self.project(swiglu(gate_up), 4 * layer + 3, rule))

    def logits(self, x: Tensor, rule: int) -> Tensor:
        """Logits float32 [n, V] of x [n, H] after the last layer."""
        return self.project(self.norm(x, 2 * self.layers), 4 * self.layers, rule).float()

    def last_normed(self, x: Tensor) -> Tensor:
        return self.norm(x, 2 * self.layers).float()

    def head(self, x: Tensor) -> Tensor:
        return self.logits(x, layouts.ROW_BY_ROW if self.deterministic else layouts.BY_ROWS)

    def head_of_prompt(self, x: Tensor) -> Tensor:
        return self.logits(x, layouts.MANY if self.deterministic else layouts.BY_ROWS)

    # Decode steps: one token for each of the sequences in slots 0 to n - 1.

    def decode_mask(self, positions: Tensor, length: int) -> Optional[Tensor]:
        """0 up to a row's position and -inf behind it, [n · G, 1, length]. None if nothing is behind it."""
        if positions.size(0) == 1 and not self.deterministic:
            return None
        behind = self.places[:length].unsqueeze(0) > positions.unsqueeze(1)
        mask = torch.zeros([positions.size(0), length], device=self.device).masked_fill_(behind, float("-inf"))
        return mask.repeat_interleave(self.kv_heads, 0).unsqueeze(1)

    def decode_attention(
        self, q: Tensor, keys: List[Tensor], values: Tensor, length: int, mask: Optional[Tensor]
    ) -> Tensor:
        """Attention of queries [n, A, D] to the first `length` of blocks of keys [slots · G, D, positions], and to values
        [n · G, length, D]: [n, A · D]."""
        n, rows = q.size(0), values.size(0)
        q = q.reshape(rows, self.heads // self.kv_heads, self.head_dim)
        parts: List[Tensor] = []
        left = length
        for block in keys:
            if left > 0:
                parts.append(torch.bmm(q, block[:rows, :, :left]))
            left -= block.size(2)
        scores = parts[0] if len(parts) == 1 else torch.cat(parts, 2)
        if mask is not None:
            scores = scores + mask
        weights = scores.softmax(2, dtype=torch.float32).to(values.dtype)
        if self.deterministic:
            return self.sum_in_stretches(weights, values).view(n, -1)
        return torch.bmm(weights, values).view(n, -1)

    def sum_in_stretches(self, weights: Tensor, values: Tensor) -> Tensor:
        """Sums over a fixed number of positions at a time, that of a block of keys. A longer sequence in the batch then adds
        zeros to a shorter one, and does not change the order of its sums."""
        some, parts = weights.split(self.cache.block, 2), values.split(self.cache.block, 1)
        out = torch.bmm(some[0], parts[0]).float()
        for i in range(1, len(parts)):
            out.add_(torch.bmm(some[i], parts[i]))
        return out

    def enter_lone(self, position: int) -> None:
        """Brings the lone cache up to date with slot 0, up to `position`, exclusive."""
        if self.lone_to != position or position == 0:
            self.leave_lone()
            self.cache.read_slot(0, 0, position, self.lone.block_of_all(0)[:, 0], self.lone.all_values[:, 0])
            self.lone_from = position
        self.lone_to = position + 1

    def leave_lone(self) -> None:
        """Brings the cache up to date with the lone one. Must be called before anything else uses slot 0."""
        a, b = self.lone_from, self.lone_to
        if a < b:
            self.cache.write_slot(0, a, b, self.lone.block_of_all(0)[:, 0], self.lone.all_values[:, 0])
        self.lone_from = 0
        self.lone_to = 0

    def chunk_attention(self, qk: Tensor, v: Tensor, layer: int, first: int) -> List[Tensor]:
        """Of the rows from `first` on, which belong to the chunks, one after the other."""
        parts: List[Tensor] = []
        for slot, start, length in self.chunk_places:
            end = first + length
            parts.append(self.prefill_attention(qk[first:end], v[first:end], layer, slot, start))
            first = end
        return parts

    def decode_step(self, tokens: Tensor, positions: Tensor, chunk_tokens: Tensor, max_position: int) -> Tensor:
        n = tokens.size(0)
        has_chunks = chunk_tokens.size(0) > 0
        if n == 1 and max_position < self.lone_length and not has_chunks:
            self.enter_lone(max_position)
            dtype, keys, values, key_blocks = torch.float32, self.lone.keys, self.lone.values, self.lone.key_blocks
            key_places, value_places = self.lone.key_places(positions), self.lone.value_places(positions)
        else:
            self.leave_lone()
            dtype, keys, values, key_blocks = self.cache_dtype, self.cache.keys, self.cache.values, self.cache.key_blocks
            key_places, value_places = self.cache.key_places(positions), self.cache.value_places(positions)
        length = max_position + 1
        if n > 1 or self.deterministic:
            stretch = self.cache.block if self.deterministic else 64
            length = min(self.max_length, (max_position // stretch + 1) * stretch)
        mask = self.decode_mask(positions, length)
        rotations = self.rotations.index_select(0, positions).unsqueeze(1)
        kv_rows = n * self.kv_heads
        if has_chunks:
            turns = [rotations]
            for _slot, start, chunk_length in self.chunk_places:
                turns.append(self.rotations[start : start + chunk_length].unsqueeze(1))
            tokens, rotations = torch.cat([tokens, chunk_tokens]), torch.cat(turns)
        x = self.embed(tokens)
        rule = layouts.ROW_BY_ROW if self.deterministic else layouts.BY_ROWS
        for layer in range(self.layers):
            qk, v = self.attention_inputs(x, layer, rotations, rule, dtype)
            parts: List[Tensor] = []
            if has_chunks:
                parts = self.chunk_attention(qk, v, layer, n)
                qk, v = qk[:n], v[:n]
            k, q = qk[:, self.heads :], qk[:, : self.heads]
            keys[layer].index_copy_(0, key_places, k.reshape(-1))
            values[layer].view(-1, self.head_dim).index_copy_(0, value_places, v.reshape(-1, self.head_dim))
            attention = self.decode_attention(q, key_blocks[layer], values[layer][:kv_rows, :length], length, mask)
            if has_chunks:
                attention = torch.cat([attention] + parts)
            x.add_(self.project(attention, 4 * layer + 1, rule))
            self.feed_forward_block(x, layer, rule)
        return self.head(x[:n])

    # Prompts: a chunk of one sequence.

    def prefill_attention(self, qk: Tensor, v: Tensor, layer: int, slot: int, start: int) -> Tensor:
        """Writes a chunk's keys and values to the cache and attends to all up to each row: [n, A · D]."""
        n, heads, kv_heads = v.size(0), self.heads, self.kv_heads
        end = start + n
        k = qk[:, heads:].transpose(0, 1)  # [G, n, D]
        v = v.transpose(0, 1)
        self.cache.put_keys(layer, slot, start, k)
        values = self.cache.values[layer][slot * kv_heads : (slot + 1) * kv_heads]
        values[:, start:end].copy_(v)
        mask: Optional[Tensor] = None
        if start > 0:
            k = self.cache.slot_keys(layer, slot, end)
            v = values[:, :end]
            behind = self.places[:end].unsqueeze(0) > self.places[start:end].unsqueeze(1)
            mask = torch.zeros([n, end], dtype=self.cache_dtype, device=self.device)
            mask = mask.masked_fill_(behind, float("-inf"))[None, None]
        group = heads // kv_heads
        k = k.unsqueeze(1).expand(-1, group, -1, -1).reshape(1, heads, end, self.head_dim)
        v = v.unsqueeze(1).expand(-1, group, -1, -1).reshape(1, heads, end, self.head_dim)
        q = qk[:, :heads].transpose(0, 1).unsqueeze(0)
        out = F.scaled_dot_product_attention(q, k, v, mask, 0.0, start == 0, scale=1.0)
        return out.transpose(1, 2).reshape(n, heads * self.head_dim)

    def run_chunk(self, tokens: Tensor, slot: int, start: int, first: int) -> Tensor:
        if slot == 0:
            self.leave_lone()
        n = tokens.size(0)
        rule = layouts.MANY if self.deterministic else layouts.BY_ROWS
        if slot == 0 and n < self.long_chunk:
            rule = layouts.FEW
        rotations = self.rotations[start : start + n].unsqueeze(1)
        x = self.embed(tokens)
        for layer in range(self.layers):
            qk, v = self.attention_inputs(x, layer, rotations, rule, self.cache_dtype)
            x.add_(self.project(self.prefill_attention(qk, v, layer, slot, start), 4 * layer + 1, rule))
            self.feed_forward_block(x, layer, rule)
        return x[first:]

    # Slots.

    @torch.jit.export
    def copy_slot(self, source: int, target: int, length: int) -> None:
        self.leave_lone()
        self.cache.copy_slot(source, target, length)

    @torch.jit.export
    def copy_state(self, source: int, from_state: int, target: int, to_state: int) -> None:
        """All layers keep all positions."""

    @torch.jit.export
    def swap_slots(self, a: int, b: int, length: int) -> None:
        self.leave_lone()
        self.cache.swap_slots(a, b, length)

    def of_positions(self, slot: int, start: int, end: int) -> List[Tensor]:
        self.leave_lone()
        return self.cache.of_positions(slot, start, end)

    def of_state(self, slot: int, state: int) -> List[Tensor]:
        return []

    @torch.jit.export
    def clear_slot(self, slot: int, length: int) -> None:
        self.leave_lone()
        self.cache.clear_slot(slot, length)
