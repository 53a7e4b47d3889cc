"""A decoder of the Llama family (RMSNorm, rotary positions, grouped-query attention, SwiGLU; biases of Qwen 2 and head
norms of Qwen 3) as one TorchScript program without weights. `export.py` writes it to the worker's resources; the worker
puts the weights in from a GGUF file and calls the methods marked `torch.jit.export`.

Shapes: n rows (tokens) of `hidden` H values; A query heads and G key-value heads of D values; V token ids.

Rotary positions turn neighbouring values as complex pairs, which is how GGUF orders a Llama's query and key rows; those
of other models come reordered.
"""

from typing import List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gguf_blocks import repack, rows_per_piece, unpack, unpack_int4, unpack_matrix
from kv_cache import KvCache
from steps import Steps

# How a matrix is held, `kind` below: 1 dense, 2 bfloat16 packed by oneDNN, 3 int4, 4 a pair of int4 planes. All but dense
# are operators private to torch 2.7 on CPUs; they are used in these functions, `pack_bfloat16` and the probes alone.


def matmul_dense(x: Tensor, w: Tensor) -> Tensor:
    return F.linear(x.to(w.dtype), w)


def matmul_packed(x: Tensor, w: Tensor) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x.to(torch.bfloat16), w, None, "none", [], "")


def matmul_int4(x: Tensor, w: Tensor, scales: Tensor) -> Tensor:
    return torch._weight_int4pack_mm_for_cpu(x.to(torch.bfloat16), w, 32, scales)


def matmul_int4_pair(x: Tensor, w: Tensor, scales: Tensor) -> Tensor:
    x = x.to(torch.bfloat16)
    return torch._weight_int4pack_mm_for_cpu(torch.cat([x, x], 1), w, 32, scales)


def matmul(x: Tensor, w: Tensor, scales: Tensor, kind: int) -> Tensor:
    """x [n, in] times the transpose of a held matrix [out, in]."""
    if kind == 3:
        return matmul_int4(x, w, scales)
    elif kind == 2:
        return matmul_packed(x, w)
    elif kind == 4:
        return matmul_int4_pair(x, w, scales)
    return matmul_dense(x, w)


def pack_bfloat16(w: Tensor, expected_rows: int) -> Tensor:
    return torch.ops.mkldnn._reorder_linear_weight(w, expected_rows)


class Decoder(Steps):
    few_weights: List[Tensor]
    few_scales: List[Tensor]
    few_kinds: List[int]
    many_weights: List[Tensor]
    many_scales: List[Tensor]
    many_kinds: List[int]
    many_from: List[int]
    packs: List[bool]
    norms: List[Tensor]
    biases: List[Tensor]
    head_norms: List[Tensor]
    joined_ids: List[List[int]]
    joined_places: List[List[int]]

    def __init__(self):
        super().__init__()
        none = torch.zeros(0)
        # Where this decoder is deterministic, prompts always use the weights for many rows and decode steps those for few;
        # what else would differ with the number of rows or positions is done in pieces.
        self.lone_length = 0
        self.compute_dtype = torch.float32
        self.cache_dtype = torch.float32
        # Matrices in the order of use: for each layer query|key|value, attention output, gate|up, down; then the head.
        # Each is held once for few rows (steps) and once for many (prompts, large batches); the two may be one. Where a
        # matrix `packs`, the form for many is made from that for few by `pack`, and until then is that for few.
        self.few_weights = []
        self.few_scales = []
        self.few_kinds = []
        self.many_weights = []
        self.many_scales = []
        self.many_kinds = []
        self.many_from = []
        self.packs = []
        # The matrix that `pack` is at, its rows in bfloat16, and how many of them are there.
        self.packing = 0
        self.unpacked = none
        self.unpacked_rows = 0
        # A chunk of fewer tokens in slot 0 takes the form for few rows, packed or not.
        self.long_chunk = 0
        # For each layer attention and feed-forward, then the head's: [H] float32, times the square root of H.
        self.norms = []
        # For each layer, where the model has them: of query|key|value, [(A + 2 · G) · D] float32; and of the heads of
        # queries and keys, [A + G, D] float32, times the square root of D.
        self.biases = []
        self.head_norms = []
        self.cache = KvCache()
        # A float32 copy of slot 0 for steps of one row: oneDNN's bfloat16 products cost 15 µs each before they start,
        # MKL's float32 ones 5. Positions from `lone_from` to `lone_to` are only here, those before it in both caches;
        # 0 and 0 is nothing here.
        self.lone = KvCache()
        self.lone_from = 0
        self.lone_to = 0
        self.rotations = none  # complex [max_length, D / 2]
        self.norm_epsilon = none  # [1, 1]
        self.head_norm_epsilon = none  # [1, 1, 1]

    # Loading: configure, then embedding, norms and matrices in the order of use, then build.

    @torch.jit.export
    def configure(
        self, sizes: List[int], epsilon: float, compute: str, cache: str, device: str, deterministic: bool
    ) -> None:
        """sizes: layers, hidden, heads, kv_heads, head_dim, slots, max_length, lone_length
        compute, cache: fp32, bf16 or fp16, of dense matrices and of the KV cache"""
        self.layers, self.hidden, self.heads, self.kv_heads = sizes[0], sizes[1], sizes[2], sizes[3]
        self.head_dim, self.slots, self.max_length = sizes[4], sizes[5], sizes[6]
        self.lone_length = sizes[7]
        self.compute_dtype = self.dtype_of(compute)
        self.cache_dtype = self.dtype_of(cache)
        self.device = torch.device(device)
        self.deterministic = deterministic
        self.norm_epsilon = torch.full([1, 1], (self.hidden * epsilon) ** 0.5, device=self.device)
        self.head_norm_epsilon = torch.full([1, 1, 1], (self.head_dim * epsilon) ** 0.5, device=self.device)
        layers, heads, dim = self.layers, self.kv_heads, self.head_dim
        self.cache.allocate(layers, self.slots, heads, dim, self.max_length, 256, self.cache_dtype, self.device)
        # In one block: that takes the fewest operators.
        length = self.lone_length
        self.lone.allocate(layers, 1, heads, dim, length, length, torch.float32, self.device)

    def dtype_of(self, name: str) -> torch.dtype:
        if name == "bf16":
            return torch.bfloat16
        if name == "fp16":
            return torch.float16
        assert name == "fp32", "no type is called " + name
        return torch.float32

    @torch.jit.export
    def int4_available(self) -> bool:
        """Whether this machine's int4 kernel reads the layout that `repack` writes (AVX-512's)."""
        raw = torch.arange(64 * 18, dtype=torch.int64).mul_(37).remainder_(251).to(torch.uint8)
        # float16 scales of 1.0, so that the values are exact.
        blocks = raw.view(64, 18)
        blocks[:, 0].fill_(0)
        blocks[:, 1].fill_(0x3C)
        ours, _ = repack(raw, 2, 64, 32)
        plain = unpack(blocks, 2).add_(8.0).to(torch.int32)
        return torch.equal(ours, torch._convert_weight_to_int4pack_for_cpu(plain, 1))

    @torch.jit.export
    def packing_available(self) -> bool:
        """Whether oneDNN multiplies bfloat16 on this machine."""
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()

    @torch.jit.export
    def put_norm(self, parts: List[Tensor], gguf_type: int) -> None:
        self.norms.append(self.vector(parts[0], gguf_type) * float(self.hidden) ** 0.5)

    @torch.jit.export
    def put_attention_bias(self, parts: List[Tensor], types: List[int]) -> None:
        """Of the next layer's queries, keys and values."""
        q, k, v = self.vector(parts[0], types[0]), self.vector(parts[1], types[1]), self.vector(parts[2], types[2])
        self.biases.append(torch.cat([q, k, v]))

    @torch.jit.export
    def put_head_norms(self, parts: List[Tensor], types: List[int]) -> None:
        """Of each head of the next layer's queries and of its keys, [D] both."""
        q, k = self.vector(parts[0], types[0]), self.vector(parts[1], types[1])
        norms = torch.cat([q.expand(self.heads, -1), k.expand(self.kv_heads, -1)])
        self.head_norms.append(norms * float(self.head_dim) ** 0.5)

    @torch.jit.export
    def put_matrix(
        self, parts: List[Tensor], types: List[int], rows: List[int], columns: int, few: int, many: int, many_from: int
    ) -> None:
        """A matrix of use from the file's matrices whose rows it joins.

        parts: uint8, the bytes in the file; types, rows: of each part
        few, many: the kinds to hold it as for steps and for at least `many_from` rows; bfloat16 beside int4 comes later,
        by `pack`
        """
        w, s = self.hold(parts, types, rows, columns, few)
        self.few_weights.append(w)
        self.few_scales.append(s)
        self.few_kinds.append(few)
        packs = many == 2 and (few == 3 or few == 4)
        self.packs.append(packs)
        if many != few and not packs:
            w, s = self.hold(parts, types, rows, columns, many)
        self.many_weights.append(w)
        self.many_scales.append(s)
        self.many_kinds.append(few if packs else many)
        self.many_from.append(many_from)

    def hold(
        self, parts: List[Tensor], types: List[int], rows: List[int], columns: int, kind: int
    ) -> Tuple[Tensor, Tensor]:
        weights: List[Tensor] = []
        scales: List[Tensor] = []
        for i in range(len(parts)):
            raw = parts[i].to(self.device)
            if kind == 3 or kind == 4:
                w, s = repack(raw, types[i], rows[i], columns)
                scales.append(s)
            else:
                dtype = torch.bfloat16 if kind == 2 else self.compute_dtype
                w = unpack_matrix(raw, types[i], rows[i], columns, dtype)
            weights.append(w)
        whole = torch.cat(weights, 0) if len(weights) > 1 else weights[0]
        if kind == 2:
            whole = pack_bfloat16(whole, 128)
        return whole, torch.cat(scales, 1) if len(scales) > 0 else torch.zeros(0)

    @torch.jit.export
    def build(self, frequencies: List[float]) -> None:
        """frequencies: [D / 2], by how much each pair turns from one position to the next, in radians"""
        angles = torch.outer(torch.arange(self.max_length).double(), torch.tensor(frequencies, dtype=torch.float64))
        # Queries and keys are both scaled by the fourth root of 1/D: scores are then scaled as they should be.
        turns = torch.polar(torch.full_like(angles, self.head_dim**-0.25), angles)
        self.rotations = turns.to(torch.complex64).to(self.device)
        self.places = torch.arange(self.max_length, device=self.device)

    @torch.jit.export
    def step_bytes(self) -> str:
        """The bytes of matrices that a step of one row reads."""
        bytes = 0
        for some in [self.few_weights, self.few_scales]:
            for w in some:
                bytes += w.numel() * w.element_size()
        return str(bytes)

    # The form for many rows, made when it pays for its memory.

    @torch.jit.export
    def packs_megabytes(self) -> int:
        """What all of `pack` takes, rounded up."""
        elements = 0
        for i in range(len(self.packs)):
            if self.packs[i]:
                elements += self.few_weights[i].numel() * (2 if self.few_kinds[i] == 3 else 1)
        return (elements * 2 + 999999) // 1000000

    @torch.jit.export
    def pack_late(self, long_chunk: int) -> None:
        """`pack` will be called between other calls, and `unpack` again."""
        self.long_chunk = long_chunk

    @torch.jit.export
    def pack(self, elements: int) -> bool:
        """Goes on with the form for many rows, by some `elements` of the matrices; whether there is more to do."""
        while self.packing < len(self.packs):
            if elements <= 0:
                return True
            if self.packs[self.packing]:
                elements -= self.pack_rows(self.packing)
            else:
                self.packing += 1
        return False

    def pack_rows(self, i: int) -> int:
        """Some rows of a matrix; how many elements they are."""
        scales = self.few_scales[i]
        rows, planes = scales.size(1), 1 if self.few_kinds[i] == 3 else 2
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
            self.many_weights[i] = pack_bfloat16(self.unpacked, 128)
            self.many_kinds[i] = 2
            self.unpacked = torch.zeros(0)
            self.unpacked_rows = 0
            self.packing += 1
        return (last - first) * columns

    @torch.jit.export
    def unpack(self) -> None:
        """Undoes `pack`."""
        for i in range(len(self.packs)):
            if self.packs[i]:
                self.many_weights[i] = self.few_weights[i]
                self.many_kinds[i] = self.few_kinds[i]
        self.packing = 0
        self.unpacked = torch.zeros(0)
        self.unpacked_rows = 0

    # The parts of a layer.

    def project(self, x: Tensor, matrix: int, rows: int) -> Tensor:
        """x [n, in] times a matrix of use; `rows` says which of its two forms, 0 is a step in deterministic mode."""
        if rows == 0 and self.few_kinds[matrix] == 1:
            # A dense product adds up in an order of its own for each number of rows; the packed ones do not.
            return torch.cat([matmul_dense(row, self.few_weights[matrix]) for row in x.split(1)])
        if rows >= self.many_from[matrix]:
            return matmul(x, self.many_weights[matrix], self.many_scales[matrix], self.many_kinds[matrix])
        return matmul(x, self.few_weights[matrix], self.few_scales[matrix], self.few_kinds[matrix])

    def norm(self, x: Tensor, i: int) -> Tensor:
        """RMSNorm of x [n, H] in four operators; the weight carries the square root of H."""
        length = torch.linalg.vector_norm(x, 2, [1], True)
        return torch.div(x, torch.hypot(length, self.norm_epsilon)).mul_(self.norms[i])

    def attention_inputs(
        self, x: Tensor, layer: int, rotations: Tensor, rows: int, dtype: torch.dtype
    ) -> Tuple[Tensor, Tensor]:
        """Queries and keys, turned, [n, A + G, D], and values [n, G, D], in the cache's type."""
        n, turning = x.size(0), self.heads + self.kv_heads
        qkv = self.project(self.norm(x, 2 * layer), 4 * layer, rows)
        if len(self.biases) > 0:
            qkv = qkv.float() + self.biases[layer]
        qkv = qkv.view(n, -1, self.head_dim)
        if dtype == torch.float32:
            qkv = qkv.to(dtype)
        turn = qkv[:, :turning].float()
        if len(self.head_norms) > 0:
            length = torch.linalg.vector_norm(turn, 2, [2], True)
            turn = torch.div(turn, torch.hypot(length, self.head_norm_epsilon)).mul_(self.head_norms[layer])
        pairs = torch.view_as_complex(turn.view(n, turning, -1, 2))
        turned = torch.view_as_real(pairs * rotations).view(n, turning, self.head_dim)
        return turned.to(dtype), qkv[:, turning:].to(dtype)

    def feed_forward(self, x: Tensor, layer: int, rows: int) -> None:
        gate_up = self.project(self.norm(x, 2 * layer + 1), 4 * layer + 2, rows)
        half = gate_up.size(1) // 2
        x.add_(self.project(F.silu(gate_up[:, :half]).mul_(gate_up[:, half:]), 4 * layer + 3, rows))

    def head(self, x: Tensor, rows: int) -> Tensor:
        """Logits float32 [n, V] of x [n, H] after the last layer."""
        return self.project(self.norm(x, 2 * self.layers), 4 * self.layers, rows).float()

    # Decode steps: one token for each of the sequences in slots 0 to n - 1.

    def decode_mask(self, positions: Tensor, length: int) -> Optional[Tensor]:
        """0 up to a row's position and -inf behind it, [n · G, 1, length]; none where there is nothing behind."""
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
        """Always over as many positions at a time: where a longer sequence in the batch makes it run over more positions,
        those of a shorter one are summed up in the same order, and zeros are added. Keys lie in such stretches."""
        some, parts = weights.split(self.cache.block, 2), values.split(self.cache.block, 1)
        out = torch.bmm(some[0], parts[0]).float()
        for i in range(1, len(parts)):
            out.add_(torch.bmm(some[i], parts[i]))
        return out

    def enter_lone(self, position: int) -> None:
        """Makes the lone cache hold slot 0 up to `position`, exclusive."""
        if self.lone_to != position or position == 0:
            self.leave_lone()
            self.cache.read_slot(0, 0, position, self.lone.block_of_all(0)[:, 0], self.lone.all_values[:, 0])
            self.lone_from = position
        self.lone_to = position + 1

    def leave_lone(self) -> None:
        """Brings the cache up to date with the lone one, before anything else uses slot 0."""
        a, b = self.lone_from, self.lone_to
        if a < b:
            self.cache.write_slot(0, a, b, self.lone.block_of_all(0)[:, 0], self.lone.all_values[:, 0])
        self.lone_from = 0
        self.lone_to = 0

    @torch.jit.export
    def join(self, ids: List[int], slot: int, start: int) -> None:
        """Has the next decode step run a part of a prompt as well, positions start, start + 1, … of a slot that is none of
        its rows: the weights are then read once for both."""
        assert not self.deterministic, "a row's result would depend on what goes with it"
        self.joined_ids.append(ids)
        self.joined_places.append([slot, start])

    def joined_inputs(self, x: Tensor, rotations: Tensor) -> Tuple[Tensor, Tensor]:
        """A step's embedded tokens and rotations, and after them those of what goes with it."""
        rows, turns = [x], [rotations]
        for i, ids in enumerate(self.joined_ids):
            start = self.joined_places[i][1]
            rows.append(self.embed(torch.tensor(ids, device=self.device)))
            turns.append(self.rotations[start : start + len(ids)].unsqueeze(1))
        return torch.cat(rows), torch.cat(turns)

    def joined_attention(self, turned: Tensor, v: Tensor, layer: int, first: int) -> List[Tensor]:
        """Of the rows from `first` on, part by part."""
        parts: List[Tensor] = []
        for i, ids in enumerate(self.joined_ids):
            slot, start = self.joined_places[i]
            end = first + len(ids)
            parts.append(self.prefill_attention(turned[first:end], v[first:end], layer, slot, start))
            first = end
        return parts

    def decode_step(self, tokens: Tensor, positions: Tensor, max_position: int) -> Tensor:
        """Runs tokens [n] at their positions [n] through the model, cache included: logits [n, V]."""
        n = tokens.size(0)
        joins = len(self.joined_ids) > 0
        if n == 1 and max_position < self.lone_length and not joins:
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
        x = self.embed(tokens)
        if joins:
            x, rotations = self.joined_inputs(x, rotations)
        rows = 0 if self.deterministic else x.size(0)
        for layer in range(self.layers):
            turned, v = self.attention_inputs(x, layer, rotations, rows, dtype)
            parts: List[Tensor] = []
            if joins:
                parts = self.joined_attention(turned, v, layer, n)
                turned, v = turned[:n], v[:n]
            k, q = turned[:, self.heads :], turned[:, : self.heads]
            keys[layer].index_copy_(0, key_places, k.reshape(-1))
            values[layer].view(-1, self.head_dim).index_copy_(0, value_places, v.reshape(-1, self.head_dim))
            attention = self.decode_attention(q, key_blocks[layer], values[layer][:kv_rows, :length], length, mask)
            if joins:
                attention = torch.cat([attention] + parts)
            x.add_(self.project(attention, 4 * layer + 1, rows))
            self.feed_forward(x, layer, rows)
        if joins:
            self.joined_ids.clear()
            self.joined_places.clear()
            x = x[:n]
        return self.head(x, 0 if self.deterministic else n)

    # Prompts: a chunk of one sequence.

    def prefill_attention(self, turned: Tensor, v: Tensor, layer: int, slot: int, start: int) -> Tensor:
        """Writes a chunk's keys and values to the cache and attends to all up to each row: [n, A · D]."""
        n, heads, kv_heads = v.size(0), self.heads, self.kv_heads
        end = start + n
        k = turned[:, heads:].transpose(0, 1)  # [G, n, D]
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
        q = turned[:, :heads].transpose(0, 1).unsqueeze(0)
        out = F.scaled_dot_product_attention(q, k, v, mask, 0.0, start == 0, scale=1.0)
        return out.transpose(1, 2).reshape(n, heads * self.head_dim)

    def prefill_chunk(self, ids: List[int], slot: int, start: int) -> Tensor:
        """Runs n tokens at positions start, start + 1, … of a slot through the model: [n, H]."""
        if slot == 0:
            self.leave_lone()
        n = len(ids)
        rows = 1 << 30 if self.deterministic else n
        if slot == 0 and n < self.long_chunk:
            rows = 1
        rotations = self.rotations[start : start + n].unsqueeze(1)
        x = self.embed(torch.tensor(ids, device=self.device))
        for layer in range(self.layers):
            turned, v = self.attention_inputs(x, layer, rotations, rows, self.cache_dtype)
            x.add_(self.project(self.prefill_attention(turned, v, layer, slot, start), 4 * layer + 1, rows))
            self.feed_forward(x, layer, rows)
        return x

    @torch.jit.export
    def prefill(self, ids: List[int], slot: int, start: int) -> None:
        self.prefill_chunk(ids, slot, start)

    @torch.jit.export
    def prefill_logits(self, ids: List[int], slot: int, start: int, all_rows: bool) -> Tensor:
        """As prefill; the logits after each token of the chunk or after the last, [n or 1, V]."""
        x = self.prefill_chunk(ids, slot, start)
        if all_rows:
            return self.head(x, 1 << 30 if self.deterministic else x.size(0))
        return self.head(x[-1:], 0 if self.deterministic else 1)

    @torch.jit.export
    def copy_slot(self, source: int, target: int, length: int) -> None:
        """Copies the first `length` cached positions of a slot to another."""
        self.leave_lone()
        self.cache.copy_slot(source, target, length)

    @torch.jit.export
    def swap_slots(self, a: int, b: int, length: int) -> None:
        """Exchanges the first `length` cached positions of two slots."""
        self.leave_lone()
        self.cache.swap_slots(a, b, length)
