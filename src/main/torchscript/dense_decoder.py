"""The decoder for GPUs: what `decoder.py` is for CPUs, with the same exported methods, as few kernels as public operators
allow, and one copy to the device and one back a call. It runs on a CPU too, where the tests prove it.

All matrices are dense, in one type. Launching a kernel takes the host some 5 µs, so a step's time is first of all their
number: a layer has 14, of which five are products. To that end

- a norm's weights are part of the matrix that follows it, and its epsilon is a column of the residual stream;
- positions turn queries and keys by a product, with a step's rotations as matrices;
- products add to the residual stream themselves;
- query heads lie in the order [A / G, G], so that attention takes the group of a key head as its query positions and
  leaves its result as the next product reads it.

Shapes: as in `decoder.py`.
"""

from typing import List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gguf_blocks import unpack, unpack_matrix
from sampling import sample, sample_at_once
from steering import count, marked, penalised, report, weighted, without


class DenseDecoder(torch.nn.Module):
    weights: List[Tensor]
    norms: List[Tensor]
    biases: List[Tensor]
    head_norms: List[Tensor]
    keys: List[Tensor]
    values: List[Tensor]
    joined_ids: List[Tensor]
    joined_places: List[List[int]]

    def __init__(self):
        super().__init__()
        none = torch.zeros(0)
        self.layers = 0
        self.hidden = 0
        self.heads = 0
        self.kv_heads = 0
        self.head_dim = 0
        self.slots = 0
        self.max_length = 0
        # A row's result never depends on the other rows: each step has as many, so each product is the same kernel.
        self.deterministic = False
        self.compute_dtype = torch.float32
        self.cache_dtype = torch.float32
        # Of the residual stream. float16 ends at 65504, which some models' sums pass.
        self.residual_dtype = torch.float32
        self.device = torch.device("cpu")
        # For each layer query|key|value, attention output, gate|up, down; then the head.
        self.weights = []
        # In the order in which they come: for each layer attention and feed-forward, then the head's. [H] float32.
        self.norms = []
        # For each layer, where the model has them: of query|key|value, and of the heads of queries and keys,
        # [A + G, D] float32, times the square root of D.
        self.biases = []
        self.head_norms = []
        # [V, H + 8]: column H is what a norm adds for its epsilon, the others pad.
        self.embedding = none
        self.pad_value = 0.0
        # [layers, slots, length, G, D] and by layer. Positions from max_length on take what nobody reads.
        self.all_keys = none
        self.all_values = none
        self.keys = []
        self.values = []
        self.length = 0
        self.head_norm_epsilon = none
        # Cosines and sines by position, each twice: [length, 2, 1, D]; and what they stand at in a rotation, [D, D].
        self.turns = none
        self.unturned = none
        self.quarter_turn = none
        integers = torch.zeros(0, dtype=torch.int64)
        self.places = integers
        self.slot_numbers = integers
        self.idle_rows = integers
        # Parts of prompts that go with the next step, and of each its slot, start and number of tokens.
        self.joined_ids = []
        self.joined_places = []

    # Loading: as in `decoder.py`.

    @torch.jit.export
    def configure(
        self, sizes: List[int], epsilon: float, compute: str, cache: str, device: str, deterministic: bool
    ) -> None:
        """sizes: layers, hidden, heads, kv_heads, head_dim, slots, max_length, and one that counts on CPUs only
        compute, cache: fp32, bf16 or fp16, of the matrices and of the KV cache"""
        self.layers, self.hidden, self.heads, self.kv_heads = sizes[0], sizes[1], sizes[2], sizes[3]
        self.head_dim, self.slots, self.max_length = sizes[4], sizes[5], sizes[6]
        self.compute_dtype = self.dtype_of(compute)
        self.cache_dtype = self.dtype_of(cache)
        self.residual_dtype = torch.float32 if compute == "fp16" else self.compute_dtype
        self.device = torch.device(device)
        self.deterministic = deterministic
        self.pad_value = (self.hidden * epsilon) ** 0.5
        self.head_norm_epsilon = torch.full([1, 1, 1], (self.head_dim * epsilon) ** 0.5, device=self.device)
        self.length = self.bucket(self.max_length + 1)
        # Zeros, for a weight of 0 does not silence a NaN.
        shape = [self.layers, self.slots, self.length, self.kv_heads, self.head_dim]
        self.all_keys = torch.zeros(shape, dtype=self.cache_dtype, device=self.device)
        self.all_values = torch.zeros(shape, dtype=self.cache_dtype, device=self.device)
        for i in range(self.layers):
            self.keys.append(self.all_keys[i])
            self.values.append(self.all_values[i])

    def dtype_of(self, name: str) -> torch.dtype:
        if name == "bf16":
            return torch.bfloat16
        if name == "fp16":
            return torch.float16
        assert name == "fp32", "no type is called " + name
        return torch.float32

    def bucket(self, length: int) -> int:
        """Kernels for attention read whole pieces of 64 positions; masks are aligned then."""
        return (length + 63) // 64 * 64

    @torch.jit.export
    def placement(self) -> str:
        """The device that weights and cache are on, or both where they are apart."""
        weights, cache = str(self.weights[0].device), str(self.all_keys.device)
        return weights if weights == cache else weights + " and " + cache

    @torch.jit.export
    def put_embedding(self, parts: List[Tensor], gguf_type: int, rows: int) -> None:
        own: List[Tensor] = []
        for part in parts:
            raw = part.to(self.device)
            own.append(unpack_matrix(raw, gguf_type, rows * part.size(0) // self.total(parts), self.hidden, self.compute_dtype))
        whole = torch.cat(own) if len(own) > 1 else own[0]
        self.embedding = F.pad(F.pad(whole, [0, 1], "constant", self.pad_value), [0, 7])

    def total(self, parts: List[Tensor]) -> int:
        bytes = 0
        for part in parts:
            bytes += part.size(0)
        return bytes

    def vector(self, raw: Tensor, gguf_type: int) -> Tensor:
        return unpack(raw.to(self.device).view(1, -1), gguf_type).view(-1)

    @torch.jit.export
    def put_norm(self, parts: List[Tensor], gguf_type: int) -> None:
        self.norms.append(self.vector(parts[0], gguf_type) * float(self.hidden) ** 0.5)

    @torch.jit.export
    def put_attention_bias(self, parts: List[Tensor], types: List[int]) -> None:
        q, k, v = self.vector(parts[0], types[0]), self.vector(parts[1], types[1]), self.vector(parts[2], types[2])
        self.biases.append(torch.cat([self.by_group(q.unsqueeze(1)).squeeze(1), k, v]).to(self.compute_dtype))

    @torch.jit.export
    def put_head_norms(self, parts: List[Tensor], types: List[int]) -> None:
        q, k = self.vector(parts[0], types[0]), self.vector(parts[1], types[1])
        norms = torch.cat([q.expand(self.heads, -1), k.expand(self.kv_heads, -1)])
        self.head_norms.append(norms * float(self.head_dim) ** 0.5)

    def by_group(self, rows: Tensor) -> Tensor:
        """Rows [A · D, …] of query heads from the order [G, A / G] to [A / G, G]."""
        split = rows.view(self.kv_heads, self.heads // self.kv_heads, self.head_dim, -1)
        return split.transpose(0, 1).reshape(rows.size(0), -1)

    @torch.jit.export
    def put_matrix(
        self, parts: List[Tensor], types: List[int], rows: List[int], columns: int, few: int, many: int, many_from: int
    ) -> None:
        """As in `decoder.py`; the last three count there only."""
        place, layer = len(self.weights) % 4, len(self.weights) // 4
        own: List[Tensor] = []
        for i in range(len(parts)):
            raw = parts[i].to(self.device)
            if place == 0 or place == 2 or layer == self.layers:
                norm = self.norms[-1] if layer == self.layers else self.norms[2 * layer + place // 2]
                # In float32, so that the product is rounded once.
                own.append(self.scaled(raw, types[i], rows[i], columns, norm))
            else:
                own.append(unpack_matrix(raw, types[i], rows[i], columns, self.compute_dtype))
        whole = torch.cat(own) if len(own) > 1 else own[0]
        if layer < self.layers and place == 0:
            queries = self.heads * self.head_dim
            whole = torch.cat([self.by_group(whole[:queries]), whole[queries:]])
        elif place == 1:
            whole = self.by_group(whole.t()).t().contiguous()
        self.weights.append(whole)

    def scaled(self, raw: Tensor, gguf_type: int, rows: int, columns: int, norm: Tensor) -> Tensor:
        """A matrix for inputs that come without their norm's weights, some rows at a time."""
        raw = raw.view(rows, -1)
        out = torch.empty([rows, columns], dtype=self.compute_dtype, device=self.device)
        for first in range(0, rows, 1024):
            last = min(rows, first + 1024)
            out[first:last].copy_(unpack(raw[first:last], gguf_type).mul_(norm))
        return out

    @torch.jit.export
    def build(self, frequencies: List[float]) -> None:
        """frequencies: [D / 2], by how much each pair turns from one position to the next, in radians"""
        angles = torch.outer(torch.arange(self.length).double(), torch.tensor(frequencies, dtype=torch.float64))
        angles = angles.repeat_interleave(2, 1)
        self.turns = torch.stack([angles.cos(), angles.sin()], 1).unsqueeze(2).float().to(self.device)
        unturned = torch.eye(self.head_dim)
        # A pair (a, b) turns to (a · cos - b · sin, a · sin + b · cos).
        quarter = torch.zeros_like(unturned)
        for i in range(0, self.head_dim, 2):
            quarter[i, i + 1] = 1.0
            quarter[i + 1, i] = -1.0
        self.unturned = unturned.to(self.device)
        self.quarter_turn = quarter.to(self.device)
        self.places = torch.arange(self.length, device=self.device)
        self.slot_numbers = torch.arange(self.slots, device=self.device)
        # Token 0 at the position that nobody reads.
        idle = torch.tensor([0, self.max_length]).view(2, 1).expand(2, self.slots)
        self.idle_rows = idle.contiguous().to(self.device)

    @torch.jit.export
    def step_bytes(self) -> str:
        """The bytes of matrices that a step reads."""
        bytes = 0
        for w in self.weights:
            bytes += w.numel() * w.element_size()
        return str(bytes)

    @torch.jit.export
    def packs_megabytes(self) -> int:
        """There is one form of each matrix."""
        return 0

    @torch.jit.export
    def pack(self, elements: int) -> bool:
        return False

    # To the device and back.

    def upload(self, parts: List[Tensor]) -> Tensor:
        """Lists of numbers that have become tensors of the host, as one of float64: it holds any token or place exactly."""
        whole = torch.cat([part.double() for part in parts])
        if self.device.type == "cuda":
            whole = whole.pin_memory()
        return whole.to(self.device, non_blocking=True)

    def download(self, tokens: Tensor) -> List[int]:
        """Waits for the device."""
        ids: List[int] = tokens.to("cpu").tolist()
        return ids

    # The parts of a layer. x [n, H + 8] is the residual stream.

    def embed(self, tokens: Tensor) -> Tensor:
        return self.embedding.index_select(0, tokens).to(self.residual_dtype)

    def rotations(self, positions: Tensor) -> Tensor:
        """[n, D, D], which turn a row of D values by its position."""
        turns = self.turns.index_select(0, positions)
        turned = turns[:, 0] * self.unturned
        return turned.addcmul_(turns[:, 1], self.quarter_turn).to(self.compute_dtype)

    def norm(self, x: Tensor) -> Tensor:
        """RMSNorm without its weights and the square root of H: [n, H]."""
        out = torch.empty([x.size(0), self.hidden], dtype=self.compute_dtype, device=self.device)
        length = torch.linalg.vector_norm(x, 2, [1], True, dtype=torch.float32)
        torch.div(x[:, : self.hidden], length, out=out)
        return out

    def add_product(self, x: Tensor, inputs: Tensor, matrix: int) -> None:
        """Adds a product to the residual stream."""
        stream = x[:, : self.hidden]
        if self.residual_dtype == self.compute_dtype:
            stream.addmm_(inputs, self.weights[matrix].t())
        else:
            stream.add_(F.linear(inputs, self.weights[matrix]))

    def attention_inputs(self, x: Tensor, layer: int, rotations: Tensor) -> Tuple[Tensor, Tensor]:
        """Queries and keys, turned, [n, A + G, D], and values [n, G, D], in the cache's type."""
        bias: Optional[Tensor] = None
        if len(self.biases) > 0:
            bias = self.biases[layer]
        qkv = F.linear(self.norm(x), self.weights[4 * layer], bias).view(x.size(0), -1, self.head_dim)
        turn = qkv[:, : self.heads + self.kv_heads]
        if len(self.head_norms) > 0:
            length = torch.linalg.vector_norm(turn, 2, [2], True, dtype=torch.float32)
            normed = torch.empty(turn.size(), dtype=self.compute_dtype, device=self.device)
            turn = torch.div(turn, torch.hypot(length, self.head_norm_epsilon))
            turn = torch.mul(turn, self.head_norms[layer], out=normed)
        return torch.bmm(turn, rotations).to(self.cache_dtype), qkv[:, self.heads + self.kv_heads :].to(self.cache_dtype)

    def feed_forward(self, x: Tensor, layer: int) -> None:
        gate_up = F.linear(self.norm(x), self.weights[4 * layer + 2])
        half = gate_up.size(1) // 2
        self.add_product(x, F.silu(gate_up[:, :half]).mul_(gate_up[:, half:]), 4 * layer + 3)

    def head(self, x: Tensor) -> Tensor:
        """Logits float32 [n, V]."""
        return F.linear(self.norm(x), self.weights[4 * self.layers]).float()

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Optional[Tensor]) -> Tensor:
        """q [b, G, m, D] to k and v [b, G, length, D]: [b, m, G · D]."""
        out = F.scaled_dot_product_attention(q, k, v, mask, 0.0, False, scale=self.head_dim**-0.5)
        return out.transpose(1, 2).reshape(q.size(0), q.size(2), -1).to(self.compute_dtype)

    # Decode steps: one token for each of the sequences in slots 0 to n - 1.

    def decode_mask(self, positions: Tensor, length: int) -> Tensor:
        """0 up to a row's position and -inf behind it: [n, 1, A / G, length]."""
        behind = self.places[:length] > positions.view(-1, 1, 1, 1)
        shape = [positions.size(0), 1, self.heads // self.kv_heads, length]
        return torch.zeros(shape, dtype=self.cache_dtype, device=self.device).masked_fill_(behind, float("-inf"))

    def decode_attention(
        self, turned: Tensor, v: Tensor, layer: int, positions: Tensor, length: int, mask: Optional[Tensor]
    ) -> Tensor:
        """Writes a step's keys and values to the cache and attends: [n, A · D]."""
        n = v.size(0)
        keys, values = self.keys[layer], self.values[layer]
        at: List[Optional[Tensor]] = [self.slot_numbers[:n], positions]
        keys.index_put_(at, turned[:, self.heads :])
        values.index_put_(at, v)
        q = turned[:, : self.heads].view(n, self.heads // self.kv_heads, self.kv_heads, self.head_dim).transpose(1, 2)
        k, v = keys[:n, :length].transpose(1, 2), values[:n, :length].transpose(1, 2)
        return self.attend(q, k, v, mask).view(n, -1)

    @torch.jit.export
    def join(self, ids: List[int], slot: int, start: int) -> None:
        """Has the next decode step run a part of a prompt as well; as in `decoder.py`."""
        assert not self.deterministic, "a row's result would depend on what goes with it"
        self.joined_ids.append(torch.tensor(ids))
        self.joined_places.append([slot, start, len(ids)])

    def layers_of_step(
        self, tokens: Tensor, positions: Tensor, parts: Tensor, length: int, mask: Optional[Tensor]
    ) -> Tensor:
        """Rows [n] of a step and tokens `parts` of what goes with it: [n, H + 8]."""
        n = tokens.size(0)
        x_tokens, x_positions = tokens, positions
        masks: List[Tensor] = []
        if parts.size(0) > 0:
            places = [positions]
            for place in self.joined_places:
                places.append(self.places[place[1] : place[1] + place[2]])
                masks.append(self.prefill_mask(place[1], place[2]))
            x_tokens, x_positions = torch.cat([tokens, parts]), torch.cat(places)
        x, rotations = self.embed(x_tokens), self.rotations(x_positions)
        for layer in range(self.layers):
            turned, v = self.attention_inputs(x, layer, rotations)
            attention = self.decode_attention(turned[:n], v[:n], layer, positions, length, mask)
            if len(masks) > 0:
                all = [attention]
                first = n
                for i, place in enumerate(self.joined_places):
                    last = first + place[2]
                    own = turned[first:last]
                    all.append(self.prefill_attention(own, v[first:last], layer, place[0], place[1], masks[i]))
                    first = last
                attention = torch.cat(all)
            self.add_product(x, attention, 4 * layer + 1)
            self.feed_forward(x, layer)
        return x[:n]

    def decode_step(self, tokens: Tensor, positions: Tensor, parts: Tensor, max_position: int) -> Tensor:
        """Runs tokens [n] at their positions [n] through the model, cache included: logits [n, V].

        parts: the tokens of what goes with it, after each other
        """
        n = tokens.size(0)
        if self.deterministic:
            tokens = torch.cat([tokens, self.idle_rows[0, n:]])
            positions = torch.cat([positions, self.idle_rows[1, n:]])
        if tokens.size(0) == 1:
            x = self.layers_of_step(tokens, positions, parts, max_position + 1, None)
        else:
            length = self.bucket(max_position + 1)
            x = self.layers_of_step(tokens, positions, parts, length, self.decode_mask(positions, length))
        self.joined_ids.clear()
        self.joined_places.clear()
        return self.head(x)[:n]

    @torch.jit.export
    def captured_step(self, numbers: Tensor, length: int, sampled: bool) -> Tensor:
        """A step as a CUDA graph can hold it: the same kernels whatever the numbers, nothing from the host or for it.

        numbers: float64 on the device, as `decode` sends them: [3 · n + 4 · n]
        length: positions that are attended to at most, a multiple of 64
        """
        n = numbers.size(0) // 7
        i, f = numbers[: 3 * n].view(3, n).long(), numbers[3 * n :].view(4, n).float()
        x = self.layers_of_step(i[0], i[1], self.places[:0], length, self.decode_mask(i[1], length))
        return sample_at_once(self.head(x), f[0], i[2], f[1], f[2], f[3], sampled, False)

    @torch.jit.export
    def decode(
        self, integers: List[int], floats: List[float], steps: int, any_sampled: bool, any_filtered: bool
    ) -> List[int]:
        """As in `decoder.py`."""
        n, end = len(integers) // 3, len(integers) + len(floats)
        max_position = max(integers[n : 2 * n])
        whole = self.upload([torch.tensor(integers), torch.tensor(floats, dtype=torch.float64)] + self.joined_ids)
        i, f = whole[: 3 * n].view(3, n).long(), whole[3 * n : end].view(3 + steps, n).float()
        parts = whole[end:].long()
        tokens, positions = i[0], i[1]
        found: List[int] = []
        waiting: List[Tensor] = []
        for step in range(steps):
            logits = self.decode_step(tokens, positions, parts, max_position + step)
            tokens = sample_at_once(logits, f[0], i[2], f[1], f[2], f[3 + step], any_sampled, any_filtered)
            if any_filtered:
                ids = self.download(tokens)
                if min(ids) < 0:
                    rest = sample(logits, f[0], i[2], f[1], f[2], f[3 + step], any_sampled, any_filtered)
                    tokens = torch.where(tokens < 0, rest, tokens)
                    ids = self.download(tokens)
                found.extend(ids)
            else:
                waiting.append(tokens)
            if step < steps - 1:
                positions = positions + 1
                parts = parts[:0]
        if len(waiting) > 0:
            return self.download(waiting[0] if steps == 1 else torch.cat(waiting))
        return found

    @torch.jit.export
    def decode_steered(
        self,
        integers: List[int],
        floats: List[float],
        steps: int,
        any_sampled: bool,
        any_filtered: bool,
        adjusted: List[int],
        factors: List[float],
        places: List[List[int]],
        bias: List[float],
        vocabulary: int,
        top: int,
    ) -> Tensor:
        """As in `decoder.py`."""
        n, m = len(integers) // 3, len(adjusted)
        max_position = max(integers[n : 2 * n])
        lists = [torch.tensor(integers), torch.tensor(floats, dtype=torch.float64)]
        lists += [torch.tensor(adjusted, dtype=torch.int64), torch.tensor(factors, dtype=torch.float64)]
        for some in places:
            lists.append(torch.tensor(some, dtype=torch.int64))
        lists.append(torch.tensor(bias, dtype=torch.float64))
        lists += self.joined_ids
        whole = self.upload(lists)
        sent: List[Tensor] = []
        first = 0
        for part in lists:
            sent.append(whole[first : first + part.size(0)])
            first += part.size(0)
        i, f = sent[0].view(3, n).long(), sent[1].view(3 + steps, n).float()
        rows, penalties = sent[2].long(), sent[3].float().view(3, m, 1)
        known = marked(m, vocabulary, sent[4].long())
        generated = marked(m, vocabulary, sent[5].long())
        biases = weighted(m, vocabulary, sent[6].long(), sent[9].float())
        forbidden, forbidden_steps = sent[7].long(), sent[8].long()
        parts = torch.cat(sent[10:]).long() if len(sent) > 10 else self.places[:0]
        tokens, positions = i[0], i[1]
        found: List[Tensor] = []
        for step in range(steps):
            raw = self.decode_step(tokens, positions, parts, max_position + step)
            logits = penalised(raw, rows, penalties, known, generated, biases) if m > 0 else raw
            logits = without(logits, forbidden, forbidden_steps, step)
            tokens = sample_at_once(logits, f[0], i[2], f[1], f[2], f[3 + step], any_sampled, any_filtered)
            own = self.reported(raw, tokens, top)
            if any_filtered and float(own[:, 0].min()) < 0:
                rest = sample(logits, f[0], i[2], f[1], f[2], f[3 + step], any_sampled, any_filtered)
                tokens = torch.where(tokens < 0, rest, tokens)
                own = self.reported(raw, tokens, top)
            found.append(own)
            if step < steps - 1:
                positions = positions + 1
                parts = parts[:0]
                count(tokens.index_select(0, rows), known, generated)
        return torch.cat(found)

    def reported(self, logits: Tensor, tokens: Tensor, top: int) -> Tensor:
        """`report` on the host; of rows without a token yet, -1, that alone is true."""
        own = report(logits, tokens.clamp_min(0), top)
        own[:, 0].copy_(tokens)
        return own.to("cpu")

    @torch.jit.export
    def decode_logits(self, tokens: List[int], positions: List[int]) -> Tensor:
        """One step's logits [n, V], for tests; on the host."""
        whole = self.upload([torch.tensor(tokens), torch.tensor(positions)]).long().view(2, -1)
        return self.decode_step(whole[0], whole[1], whole[0, :0], max(positions)).to("cpu")

    # Prompts: a chunk of one sequence.

    def prefill_mask(self, start: int, n: int) -> Tensor:
        """0 up to each row's position and -inf behind it: [1, 1, n · A / G, length]."""
        length = self.bucket(start + n)
        group = self.heads // self.kv_heads
        behind = self.places[:length] > self.places[start : start + n].view(n, 1, 1)
        mask = torch.zeros([n, group, length], dtype=self.cache_dtype, device=self.device)
        return mask.masked_fill_(behind, float("-inf")).view(1, 1, n * group, length)

    def prefill_attention(self, turned: Tensor, v: Tensor, layer: int, slot: int, start: int, mask: Tensor) -> Tensor:
        """Writes a chunk's keys and values to the cache and attends to all up to each row: [n, A · D]."""
        n, group = v.size(0), self.heads // self.kv_heads
        keys, values = self.keys[layer][slot], self.values[layer][slot]
        keys[start : start + n].copy_(turned[:, self.heads :])
        values[start : start + n].copy_(v)
        length = mask.size(3)
        q = turned[:, : self.heads].reshape(1, n * group, self.kv_heads, self.head_dim).transpose(1, 2)
        k, v = keys[:length].transpose(0, 1).unsqueeze(0), values[:length].transpose(0, 1).unsqueeze(0)
        return self.attend(q, k, v, mask).view(n, -1)

    def prefill_chunk(self, tokens: Tensor, slot: int, start: int) -> Tensor:
        """Runs tokens [n] at positions start, start + 1, … of a slot through the model: [n, H + 8]."""
        n = tokens.size(0)
        x, rotations = self.embed(tokens), self.rotations(self.places[start : start + n])
        mask = self.prefill_mask(start, n)
        for layer in range(self.layers):
            turned, v = self.attention_inputs(x, layer, rotations)
            self.add_product(x, self.prefill_attention(turned, v, layer, slot, start, mask), 4 * layer + 1)
            self.feed_forward(x, layer)
        return x

    @torch.jit.export
    def prefill(self, ids: List[int], slot: int, start: int) -> None:
        self.prefill_chunk(self.upload([torch.tensor(ids)]).long(), slot, start)

    @torch.jit.export
    def prefill_last(
        self, ids: List[int], slot: int, start: int, top_k: int, floats: List[float], sampled: bool, filtered: bool
    ) -> int:
        """As prefill, and samples the token after the chunk. floats: temperature, top_p, min_p, uniform number"""
        n = len(ids)
        whole = self.upload([torch.tensor(ids), torch.tensor([top_k]), torch.tensor(floats, dtype=torch.float64)])
        i, f = whole[: n + 1].long(), whole[n + 1 :].float().view(4, 1)
        logits = self.head(self.prefill_chunk(i[:n], slot, start)[-1:])
        id = self.download(sample_at_once(logits, f[0], i[n:], f[1], f[2], f[3], sampled, filtered))[0]
        if id < 0:
            id = self.download(sample(logits, f[0], i[n:], f[1], f[2], f[3], sampled, filtered))[0]
        return id

    @torch.jit.export
    def prefill_logits(self, ids: List[int], slot: int, start: int, all_rows: bool) -> Tensor:
        """As prefill; the logits after each token of the chunk or after the last, [n or 1, V]; on the host."""
        x = self.prefill_chunk(self.upload([torch.tensor(ids)]).long(), slot, start)
        return self.head(x if all_rows else x[-1:]).to("cpu")

    # Slots.

    @torch.jit.export
    def copy_slot(self, source: int, target: int, length: int) -> None:
        """Copies the first `length` cached positions of a slot to another."""
        self.all_keys[:, target, :length].copy_(self.all_keys[:, source, :length])
        self.all_values[:, target, :length].copy_(self.all_values[:, source, :length])

    @torch.jit.export
    def swap_slots(self, a: int, b: int, length: int) -> None:
        """Exchanges the first `length` cached positions of two slots, layer by layer to bound the temporaries."""
        for i in range(self.layers):
            for cache in [self.keys[i], self.values[i]]:
                kept = cache[a, :length].clone()
                cache[a, :length].copy_(cache[b, :length])
                cache[b, :length].copy_(kept)
