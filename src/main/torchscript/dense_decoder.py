"""The decoder for GPUs. It has the same methods as the other programs, runs as few kernels as public operators allow, and
makes one copy to the device and one back for each call. It also runs on a CPU, where the tests check it.

All matrices are dense and of one type. The host takes about 5 µs to launch a kernel, so the number of kernels decides
how long a step takes. A layer has 14, five of which are products. To get there:

- A norm's weights are part of the matrix that follows it, and its epsilon is a column of the residual stream.
- Rotary positions are applied by a product, with a step's rotations as matrices.
- Products add to the residual stream themselves.
- Query heads are in the order [A / G, G]. Attention then takes the group of a key head as its query positions, and
  leaves its result as the next product reads it.

Shapes: n rows (tokens) of `hidden` H values; A query heads and G key-value heads of D values; V token ids.
"""

from typing import List, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from gguf_blocks import unpack, unpack_matrix
from program import DecoderProgram
from sampling import Sampling, sample, sample_at_once
from steering import report
from weights import Weights, bytes_of, rope_angles, swiglu


class DenseDecoder(Weights, DecoderProgram):
    """In deterministic mode each step has as many rows, so that each product is the same kernel."""

    weights: List[Tensor]
    keys: List[Tensor]
    values: List[Tensor]

    def __init__(self):
        super().__init__()
        none = torch.zeros(0)
        # The type of the residual stream. float16 ends at 65504, and the sums of some models are larger.
        self.residual_dtype = torch.float32
        # For each layer query|key|value, attention output, gate|up, down; then the head.
        self.weights = []
        # `embedding` is [V, H + 8]: column H is what a norm adds for its epsilon, the others are padding.
        self.pad_value = 0.0
        # [layers, slots, length, G, D] and by layer. Idle rows write to position max_length, which nothing reads.
        self.all_keys = none
        self.all_values = none
        self.keys = []
        self.values = []
        self.length = 0
        # Cosines and sines by position, each twice: [length, 2, 1, D]; and the matrices [D, D] that they multiply.
        self.turns = none
        self.unturned = none
        self.quarter_turn = none
        integers = torch.zeros(0, dtype=torch.int64)
        self.slot_numbers = integers
        self.idle_rows = integers

    # Loading.

    def allocate(self, epsilon: float, compute: str, cache: str) -> None:
        self.set_types(epsilon, compute, cache)
        self.residual_dtype = torch.float32 if compute == "fp16" else self.compute_dtype
        self.pad_value = (self.hidden * epsilon) ** 0.5
        self.length = self.bucket(self.max_length + 1)
        # Zeros, because a weight of 0 does not remove a NaN.
        shape = [self.layers, self.slots, self.length, self.kv_heads, self.head_dim]
        self.all_keys = torch.zeros(shape, dtype=self.cache_dtype, device=self.device)
        self.all_values = torch.zeros(shape, dtype=self.cache_dtype, device=self.device)
        for i in range(self.layers):
            self.keys.append(self.all_keys[i])
            self.values.append(self.all_values[i])

    def bucket(self, length: int) -> int:
        """A length rounded up to whole pieces of 64 positions, which kernels for attention read. Masks are then aligned."""
        return (length + 63) // 64 * 64

    @torch.jit.export
    def placement(self) -> str:
        """The device of weights and cache; both devices if they differ."""
        weights, cache = str(self.weights[0].device), str(self.all_keys.device)
        return weights if weights == cache else weights + " and " + cache

    @torch.jit.export
    def put_embedding(self, parts: List[Tensor], gguf_type: int, rows: int) -> None:
        total = sum([part.size(0) for part in parts])
        own: List[Tensor] = []
        for part in parts:
            raw = part.to(self.device)
            own.append(unpack_matrix(raw, gguf_type, rows * part.size(0) // total, self.hidden, self.compute_dtype))
        whole = torch.cat(own) if len(own) > 1 else own[0]
        self.embedding = F.pad(F.pad(whole, [0, 1], "constant", self.pad_value), [0, 7])

    def add_attention_bias(self, q: Tensor, k: Tensor, v: Tensor) -> None:
        self.biases.append(torch.cat([self.by_group(q.unsqueeze(1)).squeeze(1), k, v]).to(self.compute_dtype))

    def by_group(self, rows: Tensor) -> Tensor:
        """Rows [A · D, …] of query heads from the order [G, A / G] to [A / G, G]."""
        split = rows.view(self.kv_heads, self.heads // self.kv_heads, self.head_dim, -1)
        return split.transpose(0, 1).reshape(rows.size(0), -1)

    @torch.jit.export
    def put_matrix(
        self, parts: List[Tensor], types: List[int], rows: List[int], columns: int, few: int, many: int, many_from: int
    ) -> None:
        """There is one layout, for any number of rows."""
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
        """A matrix that includes the weights of the norm before it, made some rows at a time."""
        raw = raw.view(rows, -1)
        out = torch.empty([rows, columns], dtype=self.compute_dtype, device=self.device)
        for first in range(0, rows, 1024):
            last = min(rows, first + 1024)
            out[first:last].copy_(unpack(raw[first:last], gguf_type).mul_(norm))
        return out

    @torch.jit.export
    def build(self, frequencies: List[float]) -> None:
        angles = rope_angles(self.length, frequencies).repeat_interleave(2, 1)
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
        # Token 0 at the position that nothing reads.
        idle = torch.tensor([0, self.max_length]).view(2, 1).expand(2, self.slots)
        self.idle_rows = idle.contiguous().to(self.device)

    @torch.jit.export
    def step_bytes(self) -> int:
        return bytes_of(self.weights)

    # To the device and back.

    def upload(self, parts: List[Tensor]) -> List[Tensor]:
        """All parts travel in one copy, as float64, which holds any token or place exactly."""
        whole = torch.cat([part.double() for part in parts])
        if self.device.type == "cuda":
            whole = whole.pin_memory()
        whole = whole.to(self.device, non_blocking=True)
        sent: List[Tensor] = []
        first = 0
        for part in parts:
            sent.append(whole[first : first + part.size(0)].to(part.dtype))
            first += part.size(0)
        return sent

    def choose(self, logits: Tensor, sampling: Sampling) -> Tuple[Tensor, Tensor]:
        tokens = sample_at_once(logits, sampling)
        if not sampling.any_filtered:
            return tokens, tokens
        known = tokens.to("cpu")
        if int(known.min()) < 0:
            tokens = torch.where(tokens < 0, sample(logits, sampling), tokens)
            known = tokens.to("cpu")
        return tokens, known

    def choose_and_report(self, raw: Tensor, logits: Tensor, sampling: Sampling, top: int) -> Tuple[Tensor, Tensor]:
        tokens = sample_at_once(logits, sampling)
        found = self.reported(raw, tokens, top)
        if sampling.any_filtered and float(found[:, 0].min()) < 0:
            tokens = torch.where(tokens < 0, sample(logits, sampling), tokens)
            found = self.reported(raw, tokens, top)
        return tokens, found

    def reported(self, logits: Tensor, tokens: Tensor, top: int) -> Tensor:
        """`report` on the host. For a row without a token yet, -1, only the token column is valid."""
        found = report(logits, tokens.clamp_min(0), top)
        found[:, 0].copy_(tokens)
        return found.to("cpu")

    # The parts of a layer. x [n, H + 8] is the residual stream.

    def embed(self, tokens: Tensor) -> Tensor:
        return self.embedding.index_select(0, tokens).to(self.residual_dtype)

    def rotations(self, positions: Tensor) -> Tensor:
        """Matrices [n, D, D] that apply the rotary positions to a row of D values."""
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

    def apply_rope(self, qk: Tensor, rotations: Tensor) -> Tensor:
        """Queries and keys [n, A + G, D], turned by the rotations of their positions."""
        return torch.bmm(qk, rotations)

    def attention_inputs(self, x: Tensor, layer: int, rotations: Tensor) -> Tuple[Tensor, Tensor]:
        """Queries and keys with rotary positions, [n, A + G, D], and values [n, G, D], in the cache's type."""
        bias: Optional[Tensor] = None
        if len(self.biases) > 0:
            bias = self.biases[layer]
        turning = self.heads + self.kv_heads
        qkv = F.linear(self.norm(x), self.weights[4 * layer], bias).view(x.size(0), -1, self.head_dim)
        qk = qkv[:, :turning]
        if len(self.head_norms) > 0:
            length = torch.linalg.vector_norm(qk, 2, [2], True, dtype=torch.float32)
            normed = torch.empty(qk.size(), dtype=self.compute_dtype, device=self.device)
            qk = torch.div(qk, torch.hypot(length, self.head_norm_epsilon))
            qk = torch.mul(qk, self.head_norms[layer], out=normed)
        return self.apply_rope(qk, rotations).to(self.cache_dtype), qkv[:, turning:].to(self.cache_dtype)

    def feed_forward_block(self, x: Tensor, layer: int) -> None:
        gate_up = F.linear(self.norm(x), self.weights[4 * layer + 2])
        self.add_product(x, swiglu(gate_up), 4 * layer + 3)

    def head(self, x: Tensor) -> Tensor:
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
        self, qk: Tensor, v: Tensor, layer: int, positions: Tensor, length: int, mask: Optional[Tensor]
    ) -> Tensor:
        """Writes a step's keys and values to the cache and attends: [n, A · D]."""
        n = v.size(0)
        keys, values = self.keys[layer], self.values[layer]
        at: List[Optional[Tensor]] = [self.slot_numbers[:n], positions]
        keys.index_put_(at, qk[:, self.heads :])
        values.index_put_(at, v)
        q = qk[:, : self.heads].view(n, self.heads // self.kv_heads, self.kv_heads, self.head_dim).transpose(1, 2)
        k, v = keys[:n, :length].transpose(1, 2), values[:n, :length].transpose(1, 2)
        return self.attend(q, k, v, mask).view(n, -1)

    def layers_of_step(
        self, tokens: Tensor, positions: Tensor, chunk_tokens: Tensor, length: int, mask: Optional[Tensor]
    ) -> Tensor:
        """The rows [n] of a step, and the chunks that run with it: [n, H + 8]."""
        n = tokens.size(0)
        x_tokens, x_positions = tokens, positions
        masks: List[Tensor] = []
        if chunk_tokens.size(0) > 0:
            places = [positions]
            for _slot, start, chunk_length in self.chunk_places:
                places.append(self.places[start : start + chunk_length])
                masks.append(self.prefill_mask(start, chunk_length))
            x_tokens, x_positions = torch.cat([tokens, chunk_tokens]), torch.cat(places)
        x, rotations = self.embed(x_tokens), self.rotations(x_positions)
        for layer in range(self.layers):
            qk, v = self.attention_inputs(x, layer, rotations)
            attention = self.decode_attention(qk[:n], v[:n], layer, positions, length, mask)
            if len(masks) > 0:
                all = [attention]
                first = n
                for i, place in enumerate(self.chunk_places):
                    slot, start, chunk_length = place
                    last = first + chunk_length
                    all.append(self.prefill_attention(qk[first:last], v[first:last], layer, slot, start, masks[i]))
                    first = last
                attention = torch.cat(all)
            self.add_product(x, attention, 4 * layer + 1)
            self.feed_forward_block(x, layer)
        return x[:n]

    def decode_step(self, tokens: Tensor, positions: Tensor, chunk_tokens: Tensor, max_position: int) -> Tensor:
        n = tokens.size(0)
        if self.deterministic:
            tokens = torch.cat([tokens, self.idle_rows[0, n:]])
            positions = torch.cat([positions, self.idle_rows[1, n:]])
        if tokens.size(0) == 1:
            x = self.layers_of_step(tokens, positions, chunk_tokens, max_position + 1, None)
        else:
            length = self.bucket(max_position + 1)
            x = self.layers_of_step(tokens, positions, chunk_tokens, length, self.decode_mask(positions, length))
        return self.head(x)[:n]

    @torch.jit.export
    def captured_step(self, numbers: Tensor, length: int, sampled: bool) -> Tensor:
        """A step as a CUDA graph can hold it: the same kernels for any numbers, and no copies. Only the benchmark uses it.

        numbers: float64 on the device, the integers and floats of `decode`: [3 · n + 4 · n]
        length: positions that are attended to at most, a multiple of 64
        """
        n = numbers.size(0) // 7
        i, f = numbers[: 3 * n].view(3, n).long(), numbers[3 * n :].view(4, n).float()
        x = self.layers_of_step(i[0], i[1], self.places[:0], length, self.decode_mask(i[1], length))
        return sample_at_once(self.head(x), Sampling(f[0], i[2], f[1], f[2], f[3], sampled, False))

    # Prompts: a chunk of one sequence.

    def prefill_mask(self, start: int, n: int) -> Tensor:
        """0 up to each row's position and -inf behind it: [1, 1, n · A / G, length]."""
        length = self.bucket(start + n)
        group = self.heads // self.kv_heads
        behind = self.places[:length] > self.places[start : start + n].view(n, 1, 1)
        mask = torch.zeros([n, group, length], dtype=self.cache_dtype, device=self.device)
        return mask.masked_fill_(behind, float("-inf")).view(1, 1, n * group, length)

    def prefill_attention(self, qk: Tensor, v: Tensor, layer: int, slot: int, start: int, mask: Tensor) -> Tensor:
        """Writes a chunk's keys and values to the cache and attends to all up to each row: [n, A · D]."""
        n, group = v.size(0), self.heads // self.kv_heads
        keys, values = self.keys[layer][slot], self.values[layer][slot]
        keys[start : start + n].copy_(qk[:, self.heads :])
        values[start : start + n].copy_(v)
        length = mask.size(3)
        q = qk[:, : self.heads].reshape(1, n * group, self.kv_heads, self.head_dim).transpose(1, 2)
        k, v = keys[:length].transpose(0, 1).unsqueeze(0), values[:length].transpose(0, 1).unsqueeze(0)
        return self.attend(q, k, v, mask).view(n, -1)

    def run_chunk(self, tokens: Tensor, slot: int, start: int, first: int) -> Tensor:
        n = tokens.size(0)
        x, rotations = self.embed(tokens), self.rotations(self.places[start : start + n])
        mask = self.prefill_mask(start, n)
        for layer in range(self.layers):
            qk, v = self.attention_inputs(x, layer, rotations)
            self.add_product(x, self.prefill_attention(qk, v, layer, slot, start, mask), 4 * layer + 1)
            self.feed_forward_block(x, layer)
        return x[first:]

    # Slots.

    @torch.jit.export
    def copy_slot(self, source: int, target: int, length: int) -> None:
        self.all_keys[:, target, :length].copy_(self.all_keys[:, source, :length])
        self.all_values[:, target, :length].copy_(self.all_values[:, source, :length])

    @torch.jit.export
    def swap_slots(self, a: int, b: int, length: int) -> None:
        """Layer by layer, to bound the temporaries."""
        for i in range(self.layers):
            for cache in [self.keys[i], self.values[i]]:
                kept = cache[a, :length].clone()
                cache[a, :length].copy_(cache[b, :length])
                cache[b, :length].copy_(kept)
