"""The decoder for GPUs. It has the same methods as the other programs, runs as few kernels as public operators allow, and
makes one copy to the device and one back for each call. It also runs on a CPU, where the tests check it.

All matrices are dense and of one type. The host takes about 5 µs to launch a kernel, so the number of kernels decides
how long a step takes. A layer of Llama has 14, five of which are products. To get there:

- A norm's weights are part of the matrix that follows it, and its epsilon is a column of the residual stream.
- Factors of what a layer adds are part of the matrix or norm that makes it.
- Rotary positions are applied by a product, with a step's rotations as matrices.
- Products add to the residual stream themselves.
- Query heads are in the order [A / G, G]. Attention then takes the group of a key head as its query positions, and
  leaves its result as the next product reads it.

A layer runs what its description has, and no kernel for what it has not.

Keys and values of all positions are in pages of `PAGE` positions, which all sequences share: a pool. A slot is a list of pages.
`pages.py` has the attention of decode steps, which reads each row's own pages.

Shapes: n rows (tokens) of `hidden` H values; A query heads and G key-value heads of D values; V token ids; E experts.
"""

from typing import Dict, List, NamedTuple, Optional, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

import kv_cache
import program
from delta_net import DeltaWeights, channels, delta_chunk, delta_step
from experts import activated, activated_product, routed, run_experts
from gguf_blocks import unpack
from pages import Pieces, Sight, attend_to_pieces, cells_of, flash_agrees, flash_causal, pieces_of, sight_of, to_rows
from program import DecoderProgram, Layer
from sampling import Sampling, sample, sample_at_once
from steering import report
from weights import Types, bytes_of, rope_angles


class DenseLayer(NamedTuple):
    """A layer as it runs. Vectors that are multiplied with rows are float32, biases are of the type of the matrices."""

    described: Layer
    # Which of the rotations, growths and sights of a step it takes; -1: none.
    rotation: int
    growth: int
    sight: int
    norm_before: bool
    keys: Tensor  # [pages, PAGE, G, D]; or [slots, ring + 1, G, D], where idle rows write to the last position
    values: Tensor
    matrices: Tensor  # of a delta net, [slots, STATES, A, K, D]
    last_channels: Tensor  # likewise, [slots, STATES, kernel - 1, channels]
    delta: DeltaWeights
    qkv: Tensor
    qkv_bias: Optional[Tensor]
    # [A + G, D], or with values [A + 2 · G, D], times the square root of the number of values in a norm.
    head_norms: Optional[Tensor]
    head_norm_epsilon: Tensor  # [1 or as many as these, 1], times that root
    sinks: Optional[Tensor]  # [G, A / G, 1]
    output: Tensor
    output_bias: Optional[Tensor]
    attention_post_norm: Optional[Tensor]  # [H], times the square root of H
    router: Optional[Tensor]  # [E, H] float32
    router_bias: Optional[Tensor]
    gate_up: Tensor  # [2 · width, H]; with experts one more dimension at the front of each of these
    gate_up_bias: Optional[Tensor]
    down: Tensor  # [H, width]
    down_bias: Optional[Tensor]
    feed_forward_post_norm: Optional[Tensor]
    # Beside the experts: a block for all tokens, and what is multiplied with the weights of each expert [E].
    shared_gate_up: Optional[Tensor]
    shared_down: Optional[Tensor]
    shared_gate: Optional[Tensor]  # [1, H] float32
    shared_post_norm: Optional[Tensor]
    experts_post_norm: Optional[Tensor]
    expert_scales: Optional[Tensor]
    # Of what the layer takes beside the stream.
    input_gate: Optional[Tensor]  # [P, H]
    input_projection: Optional[Tensor]  # [H, P]
    input_post_norm: Optional[Tensor]
    scale: Optional[Tensor]  # [1], factor of the layer's result


class Turns(NamedTuple):
    """What the positions of some rows do to queries and keys, by the numbers that layers have."""

    rotations: List[Tensor]  # [n, D, D]
    growths: List[Tensor]  # factors of queries, [n, 1, 1] float32
    # By sight, where a layer keeps each position: [n]. In the pool, or in the ring of the row's slot.
    cells: List[Tensor]


class Reads(NamedTuple):
    """What some rows of a step attend to in the pool."""

    pieces: Pieces
    to_rows: Tensor  # [rows, m], which piece belongs to which row
    sights: List[Sight]


def kind_of(kinds: List[List[float]], kind: List[float]) -> int:
    """The number of a kind, which is added if it is new."""
    for i, known in enumerate(kinds):
        if known == kind:
            return i
    kinds.append(kind)
    return len(kinds) - 1


def concatenated(parts: List[Tensor]) -> Tensor:
    """All rows, without a copy if there is one part."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def name(layer: int, role: str) -> str:
    return str(layer) + "." + role


class DenseDecoder(Types, DecoderProgram):
    """In deterministic mode each step has as many rows, so that each product is the same kernel."""

    tensors: Dict[str, Tensor]
    run_layers: List[DenseLayer]
    all_keys: List[Tensor]
    all_values: List[Tensor]
    ring_keys: List[Tensor]
    ring_values: List[Tensor]
    all_matrices: List[Tensor]
    all_channels: List[Tensor]
    cache_kinds: List[List[float]]
    rotation_kinds: List[List[float]]
    growth_kinds: List[List[float]]
    sight_kinds: List[List[float]]
    no_masks: List[Tensor]
    pending_rows: List[Tensor]
    pending_parts: List[Tensor]
    planned_rows: List[List[int]]
    planned_parts: List[int]
    pieces: List[Pieces]
    part_pages: List[Tensor]
    part_cells: List[Tensor]
    turns: List[Tensor]
    unturned: List[Tensor]
    quarter_turns: List[Tensor]
    growths: List[Tensor]

    def __init__(self):
        super().__init__()
        none = torch.zeros(0)
        # The type of the residual stream. float16 ends at 65504, and the sums of some models are larger.
        self.residual_dtype = torch.float32
        # While weights are loaded: those of each layer by `name`.
        self.tensors = {}
        self.next_expert = 0
        self.run_layers = []
        self.output_norm = none
        self.head_matrix = none
        # Of the inputs of layers: [layers · P, H] and [P], times the square root of P.
        self.input_matrix = none
        self.input_norm = none
        # `embedding` is [V, H + 8]: column H is what a norm adds for its epsilon, the others are padding.
        self.pad_value = 0.0
        self.norm_epsilon = none  # [1, 1], times the square root of H
        # Layers with heads alike are one tensor, [layers, pages, PAGE, G, D]. Idle rows write to page 0, which belongs to no
        # slot.
        self.all_keys = []
        self.all_values = []
        self.pages = 0
        # On the host, [slots, pages of a context]: the pages of each slot, in the order of its positions.
        self.tables = torch.zeros([0, 0], dtype=torch.int64)
        # Whether attention runs in the flash kernel, by `try_flash`.
        self.flash = False
        # What the next `upload` sends beside its numbers; then, on the device, what steps and parts of prompts take of it.
        self.pending_rows = []
        self.pending_parts = []
        self.planned_rows = []
        # Of each part the first of its pages if the others follow it, else -1.
        self.planned_parts = []
        self.pieces = []
        self.part_pages = []
        self.part_cells = []
        # Layers with rings alike, [layers, slots, STATES, ring + 1, G, D]. Delta nets alike, as in `DenseLayer`.
        self.ring_keys = []
        self.ring_values = []
        self.all_matrices = []
        self.all_channels = []
        # What slots are exchanged through. float32 holds the numbers of any cache exactly.
        self.spare = none
        self.length = 0
        # Ring, kernel, K, A, G and D of what layers keep, as far as it decides; kind of rotary positions and D; beta and
        # length of a growth; window, A / G and ring, 1 if tokens see those after them, queries and keys by key head, and 1 if
        # it runs in the flash kernel.
        self.cache_kinds = []
        self.rotation_kinds = []
        self.growth_kinds = []
        self.sight_kinds = []
        # Of each kind of rotary positions: cosines and sines by position, each twice, [length, 2, 1, D], and the
        # matrices [D, D] that they multiply. Of each growth the factors by position, [length, 1, 1].
        self.turns = []
        self.unturned = []
        self.quarter_turns = []
        self.growths = []
        # Of a step of one row, by sight, and of a layer without gates.
        self.no_mask = none
        self.no_masks = []
        self.no_gates = torch.zeros(0, 0)
        self.has_rings = False
        # Whether a step attends to all of the rings, however short its sequences are.
        self.whole_length = False
        integers = torch.zeros(0, dtype=torch.int64)
        self.slot_numbers = integers
        self.idle_rows = integers

    # Loading.

    @torch.jit.export
    def take_pages(self, pages: int) -> None:
        """How many pages the pool has, page 0 included. Called before `build`; 0: all slots have all of their pages, in order"""
        self.pages = pages

    @torch.jit.export
    def try_flash(self) -> bool:
        """Whether the flash kernel runs here and gives what plain operators give. If so, attention runs in it. Called before
        `build`; it fails where there is no such kernel."""
        self.flash = False
        self.flash = self.cache_dtype != torch.float32 and flash_agrees(self.cache_dtype, self.device)
        return self.flash

    @torch.jit.export
    def allocate(self) -> None:
        """The cache comes in `build`: what the weights leave of the device's memory is only known when they are there."""
        self.set_types()
        self.residual_dtype = torch.float32 if self.compute == "fp16" else self.compute_dtype
        self.pad_value = (self.hidden * self.epsilon) ** 0.5
        self.norm_epsilon = torch.full([1, 1], self.pad_value, device=self.device)

    def allocate_cache(self) -> None:
        self.length = self.bucket(self.max_length + 1)
        a_slot = (self.max_length + kv_cache.PAGE - 1) // kv_cache.PAGE
        if self.pages == 0:
            self.pages = self.slots * a_slot + 1
            self.tables = torch.arange(1, self.pages).view(self.slots, a_slot)
        else:
            self.tables = torch.zeros([self.slots, a_slot], dtype=torch.int64)
        counts: List[int] = []
        for d in self.described:
            if d.keys_of >= 0:
                continue
            kind = kind_of(self.cache_kinds, self.cache_kind(d))
            if kind == len(counts):
                counts.append(0)
            counts[kind] += 1
        for i, kind in enumerate(self.cache_kinds):
            self.allocate_kind(kind, counts[i])
        most = kv_cache.EXCHANGED_AT_ONCE
        for caches in self.of_states():
            if caches.numel() > 0:
                most = max(most, caches[0, 0, 0].numel())
        self.spare = torch.empty([most], device=self.device)

    def cache_kind(self, d: Layer) -> List[float]:
        """Layers of a kind keep tensors of the same shape."""
        heads = d.heads if d.kernel > 0 else 0
        return [float(size) for size in [d.ring, d.kernel, d.key_dim, heads, d.kv_heads, d.head_dim]]

    def allocate_kind(self, kind: List[float], count: int) -> None:
        """Zeros, because a weight of 0 does not remove a NaN. Kinds that do not keep something have an empty tensor of it."""
        ring, kernel, key_dim, heads, kv_heads, dim = [int(size) for size in kind]
        full, rings, delta = [0], [0], [0]
        inputs = [0]
        states = [count, self.slots, program.STATES]
        if kernel > 0:
            delta = states + [heads, key_dim, dim]
            inputs = states + [kernel - 1, 2 * kv_heads * key_dim + heads * dim]
        elif ring > 0:
            rings = states + [ring + 1, kv_heads, dim]
        else:
            full = [count, self.pages, kv_cache.PAGE, kv_heads, dim]
        for caches, shape in [(self.all_keys, full), (self.all_values, full), (self.ring_keys, rings), (self.ring_values, rings)]:
            caches.append(torch.zeros(shape, dtype=self.cache_dtype, device=self.device))
        for caches, shape in [(self.all_matrices, delta), (self.all_channels, inputs)]:
            caches.append(torch.zeros(shape, device=self.device))

    def bucket(self, length: int) -> int:
        """A length rounded up to whole pieces of 64 positions, which kernels for attention read. Masks are then aligned."""
        return (length + 63) // 64 * 64

    @torch.jit.export
    def placement(self) -> str:
        """The device of weights and cache; both devices if they differ."""
        weights, cache = str(self.head_matrix.device), str(self.all_keys[0].device)
        return weights if weights == cache else weights + " and " + cache

    @torch.jit.export
    def put_embedding(self, parts: List[Tensor], gguf_type: int, rows: int) -> None:
        total = sum([part.size(0) for part in parts])
        whole = torch.empty([rows, self.hidden + 8], dtype=self.compute_dtype, device=self.device)
        factor = torch.full([1], self.embedding_scale, device=self.device)
        first = 0
        for part in parts:
            last = first + rows * part.size(0) // total
            self.unpack_scaled(part, gguf_type, factor, whole[first:last, : self.hidden])
            first = last
        whole[:, self.hidden] = self.pad_value
        whole[:, self.hidden + 1 :] = 0.0
        self.embedding = whole

    def add_output_norm(self, weights: Tensor) -> None:
        self.output_norm = weights * float(self.hidden) ** 0.5

    def add_vector(self, layer: int, role: str, values: Tensor) -> None:
        if role == "input_norm":
            self.input_norm = values * float(self.layer_input) ** 0.5
            return
        d, root = self.described[layer], float(self.hidden) ** 0.5
        if role == "attention_post_norm" or role == "feed_forward_post_norm":
            values = values * (root * d.residual_scale)
        elif role.endswith("_norm"):
            values = values * root
        elif role == "qkv_bias":
            values = self.by_group_and_keys(values.unsqueeze(1), d).squeeze(1).to(self.compute_dtype)
        elif role == "convolution":
            values = values.view(d.kernel, -1)
        elif role == "shared_gate":
            values = (values * self.norm_factors(layer, "feed_forward_norm")).view(1, -1)
        elif role == "head_norms":
            values = self.by_group_and_keys(values.unsqueeze(1), d).view(-1, d.head_dim) * self.head_norm_roots(d)
        elif role == "sinks":
            values = values.view(d.kv_heads, -1, 1)
        elif role == "attention_output_bias":
            values = (values * self.added_factor(d)).to(self.compute_dtype)
        elif role == "down_bias":
            values = (values * (self.added_factor(d) * d.experts_scale)).to(self.compute_dtype)
        elif role == "gate_up_bias":
            values = values.to(self.compute_dtype)
        elif role == "layer_scale":
            values = values.to(self.residual_dtype)
        else:
            known = ["router_bias", "expert_scales", "decay", "decay_bias", "read_weights"]
            assert role in known, "dense.pt has no " + role
        if d.experts > 0 and (role == "gate_up_bias" or role == "down_bias"):
            values = values.view(d.experts, -1)
        self.tensors[name(layer, role)] = values

    def added_factor(self, d: Layer) -> float:
        """Factor of the matrix whose result a half adds. If a norm follows, the factor is part of its weights."""
        return d.residual_scale if d.norms == "before" else 1.0

    def head_norm_roots(self, d: Layer) -> Tensor:
        """The square roots of how many values the norm of each head is about: [1 or A + G, 1]."""
        if d.head_norm == "whole":
            queries = torch.full([d.heads, 1], float(d.heads * d.head_dim) ** 0.5)
            keys = torch.full([d.kv_heads, 1], float(d.kv_heads * d.head_dim) ** 0.5)
            return torch.cat([queries, keys]).to(self.device)
        return torch.full([1, 1], float(d.head_dim) ** 0.5, device=self.device)

    def by_group(self, rows: Tensor, d: Layer) -> Tensor:
        """Rows [A · D, …] of query heads from the order [G, A / G] to [A / G, G]."""
        split = rows.view(d.kv_heads, d.heads // d.kv_heads, d.head_dim, -1)
        return split.transpose(0, 1).reshape(rows.size(0), -1)

    def by_group_and_keys(self, rows: Tensor, d: Layer) -> Tensor:
        """Rows of query heads `by_group`, those of keys and perhaps values, and perhaps those of gates `by_group`."""
        queries = d.heads * d.head_dim
        gates = queries + 2 * d.kv_heads * d.head_dim
        parts = [self.by_group(rows[:queries], d), rows[queries:gates]]
        if rows.size(0) > gates:
            parts.append(self.by_group(rows[gates:], d))
        return torch.cat(parts)

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
        """There is one layout, for any number of rows."""
        dtype = torch.float32 if role == "router" else self.compute_dtype
        whole = torch.empty([sum(rows), columns], dtype=dtype, device=self.device)
        factors = self.column_factors(layer, role)
        first = 0
        for i in range(len(parts)):
            self.unpack_scaled(parts[i], types[i], factors, whole[first : first + rows[i]])
            first += rows[i]
        if role == "head":
            self.head_matrix = whole
            return
        if role == "inputs":
            self.input_matrix = whole
            return
        d = self.described[layer]
        if role == "qkv" and d.kernel == 0:
            whole = self.by_group_and_keys(whole, d)
        elif role == "attention_output" and d.kernel == 0:
            whole = self.by_group(whole.t(), d).t().contiguous()
        if d.experts > 0 and (role == "gate_up" or role == "down"):
            self.put_expert(layer, role, whole)
        else:
            self.tensors[name(layer, role)] = whole

    def put_expert(self, layer: int, role: str, matrix: Tensor) -> None:
        """All experts of a layer are one tensor: gate_up and down of the first, of the second and so on."""
        experts = self.described[layer].experts
        if self.next_expert == 0:
            shape = [experts, matrix.size(0), matrix.size(1)]
            self.tensors[name(layer, role)] = torch.empty(shape, dtype=self.compute_dtype, device=self.device)
        self.tensors[name(layer, role)][self.next_expert].copy_(matrix)
        if role == "down":
            self.next_expert = (self.next_expert + 1) % experts

    def column_factors(self, layer: int, role: str) -> Tensor:
        """What the columns of a matrix are multiplied with: the norm before it [columns], or one factor [1]."""
        if role == "head":
            return self.output_norm
        factor = 1.0
        if role == "inputs":
            return torch.full([1], float(self.hidden) ** -0.5, device=self.device)
        d = self.described[layer]
        own = {"router": "router_norm", "gate_up": "experts_norm"}.get(role, "")
        if name(layer, own) in self.tensors:
            return self.tensors[name(layer, own)]
        if role == "attention_output" or role == "shared_down":
            factor = self.added_factor(d)
        elif role == "down":
            factor = self.added_factor(d) * d.experts_scale
        elif not role.startswith("input_"):
            return self.norm_factors(layer, "attention_norm" if role == "qkv" else "feed_forward_norm")
        return torch.full([1], factor, device=self.device)

    def norm_factors(self, layer: int, role: str) -> Tensor:
        """The norm before a half, or 1 if there is none."""
        if self.described[layer].norms != "after":
            return self.tensors[name(layer, role)]
        return torch.ones([1], device=self.device)

    def unpack_scaled(self, raw: Tensor, gguf_type: int, factors: Tensor, out: Tensor) -> None:
        """Rows times the factors of their columns, in float32, so that they are rounded once. Some rows at a time, to bound
        the temporaries. Copies from pinned memory do not wait: while the GPU copies and unpacks some rows, the next ones are
        read."""
        rows = out.size(0)
        raw = raw.view(rows, -1)
        step = max(1, 8 * 1024 * 1024 // out.size(1))
        for first in range(0, rows, step):
            last = min(rows, first + step)
            some = raw[first:last]
            if self.device.type == "cuda":
                some = some.pin_memory()
            some = some.to(self.device, non_blocking=True)
            out[first:last].copy_(unpack(some, gguf_type, self.grids).mul_(factors))

    @torch.jit.export
    def build(self) -> None:
        self.allocate_cache()
        self.places = torch.arange(self.length, device=self.device)
        self.slot_numbers = torch.arange(self.slots, device=self.device)
        # Token 0 at the position that nothing reads.
        idle = torch.tensor([0, self.max_length]).view(2, 1).expand(2, self.slots)
        self.idle_rows = idle.contiguous().to(self.device)
        used = [0 for _ in self.cache_kinds]
        for i, d in enumerate(self.described):
            kind = -1
            if d.keys_of < 0:
                kind = kind_of(self.cache_kinds, self.cache_kind(d))
                used[kind] += 1
            layer = self.built(i, d, kind, used[kind] - 1)
            self.run_layers.append(layer)
            plain = d.cap > 0.0 or layer.sinks is not None
            self.whole_length = self.whole_length or self.deterministic and d.ring > 0 and plain
            self.has_rings = self.has_rings or d.ring > 0
        self.no_masks = [self.no_mask for _ in self.sight_kinds]
        self.tensors.clear()

    def built(self, i: int, d: Layer, kind: int, at: int) -> DenseLayer:
        """kind, at: where the layer keeps what it keeps, if it keeps something"""
        rotation, growth, sight = -1, -1, -1
        keys = values = matrices = last_channels = torch.zeros(0)
        delta = DeltaWeights(keys, keys, keys, keys, self.epsilon)
        if d.kernel > 0:
            matrices, last_channels = self.all_matrices[kind][at], self.all_channels[kind][at]
            delta = DeltaWeights(
                self.tensors[name(i, "convolution")],
                self.tensors[name(i, "decay")],
                self.tensors[name(i, "decay_bias")],
                self.tensors[name(i, "read_weights")],
                self.epsilon,
            )
        elif d.keys_of >= 0:
            keys, values = self.run_layers[d.keys_of].keys, self.run_layers[d.keys_of].values
        elif d.ring > 0:
            keys, values = self.ring_keys[kind][at][:, 0], self.ring_values[kind][at][:, 0]
        else:
            keys, values = self.all_keys[kind][at], self.all_values[kind][at]
        if d.kernel == 0:
            group = d.heads // d.kv_heads
            queries = group if d.keys_of >= 0 else group + 1
            flash = self.flash and d.ring == 0 and d.cap == 0.0 and not d.bidirectional and d.head_dim % 8 == 0
            flash = flash and d.head_dim <= 256
            kind_of_sight = [d.window, group, d.ring, int(d.bidirectional), queries, int(flash)]
            sight = kind_of(self.sight_kinds, [float(part) for part in kind_of_sight])
        if d.rope >= 0:
            rotation = kind_of(self.rotation_kinds, [float(d.rope), float(d.head_dim)])
            if rotation == len(self.turns):
                self.add_turns(self.ropes[d.rope].frequencies, self.ropes[d.rope].strength, d.head_dim)
        if d.growth_beta != 0.0:
            growth = kind_of(self.growth_kinds, [d.growth_beta, float(d.growth_length)])
            if growth == len(self.growths):
                times = torch.arange(self.length) // d.growth_length
                factors = 1.0 + d.growth_beta * torch.log1p(times.double())
                self.growths.append(factors.float().view(-1, 1, 1).to(self.device))
        return DenseLayer(
            described=d,
            rotation=rotation,
            growth=growth,
            sight=sight,
            norm_before=d.norms != "after",
            keys=keys,
            values=values,
            matrices=matrices,
            last_channels=last_channels,
            delta=delta,
            qkv=self.tensors[name(i, "qkv")],
            qkv_bias=self.tensors.get(name(i, "qkv_bias")),
            head_norms=self.tensors.get(name(i, "head_norms")),
            head_norm_epsilon=self.head_norm_roots(d) * self.epsilon**0.5,
            sinks=self.tensors.get(name(i, "sinks")),
            output=self.tensors[name(i, "attention_output")],
            output_bias=self.tensors.get(name(i, "attention_output_bias")),
            attention_post_norm=self.tensors.get(name(i, "attention_post_norm")),
            router=self.tensors.get(name(i, "router")),
            router_bias=self.tensors.get(name(i, "router_bias")),
            gate_up=self.tensors[name(i, "gate_up")],
            gate_up_bias=self.tensors.get(name(i, "gate_up_bias")),
            down=self.tensors[name(i, "down")],
            down_bias=self.tensors.get(name(i, "down_bias")),
            feed_forward_post_norm=self.tensors.get(name(i, "feed_forward_post_norm")),
            shared_gate_up=self.tensors.get(name(i, "shared_gate_up")),
            shared_down=self.tensors.get(name(i, "shared_down")),
            shared_gate=self.tensors.get(name(i, "shared_gate")),
            shared_post_norm=self.tensors.get(name(i, "shared_post_norm")),
            experts_post_norm=self.tensors.get(name(i, "experts_post_norm")),
            expert_scales=self.tensors.get(name(i, "expert_scales")),
            input_gate=self.tensors.get(name(i, "input_gate")),
            input_projection=self.tensors.get(name(i, "input_projection")),
            input_post_norm=self.tensors.get(name(i, "input_post_norm")),
            scale=self.tensors.get(name(i, "layer_scale")),
        )

    def add_turns(self, frequencies: List[float], strength: float, dim: int) -> None:
        """Tables for heads of `dim` values, of which the first ones turn."""
        angles = rope_angles(self.length, frequencies).repeat_interleave(2, 1)
        left = dim - angles.size(1)
        cosines, sines = F.pad(angles.cos() * strength, [0, left], "constant", 1.0), F.pad(angles.sin() * strength, [0, left])
        self.turns.append(torch.stack([cosines, sines], 1).unsqueeze(2).float().to(self.device))
        unturned = torch.eye(dim)
        # A pair (a, b) turns to (a · cos - b · sin, a · sin + b · cos).
        quarter = torch.zeros_like(unturned)
        for i in range(0, angles.size(1), 2):
            quarter[i, i + 1] = 1.0
            quarter[i + 1, i] = -1.0
        self.unturned.append(unturned.to(self.device))
        self.quarter_turns.append(quarter.to(self.device))

    @torch.jit.export
    def step_bytes(self) -> int:
        bytes = bytes_of([self.head_matrix, self.input_matrix])
        for layer in self.run_layers:
            block = bytes_of([layer.gate_up, layer.down])
            router = layer.router
            if router is not None:
                block = block // layer.described.experts * layer.described.used_experts + bytes_of([router])
            bytes += bytes_of([layer.qkv, layer.output]) + block
            for matrix in [layer.shared_gate_up, layer.shared_down, layer.input_gate, layer.input_projection]:
                if matrix is not None:
                    bytes += bytes_of([matrix])
        return bytes

    # To the device and back.

    def upload(self, parts: List[Tensor]) -> List[Tensor]:
        """All parts, and what is pending, travel in one copy, as float64, which holds any token or place exactly."""
        all = parts + self.pending_rows + self.pending_parts
        whole = torch.cat([part.double() for part in all])
        if self.device.type == "cuda":
            whole = whole.pin_memory()
        whole = whole.to(self.device, non_blocking=True)
        integers, floats = whole.long(), whole[:0].float()
        sent: List[Tensor] = []
        first = 0
        for part in all:
            if part.dtype == torch.int64:
                sent.append(integers.narrow(0, first, part.size(0)))
            else:
                floats = floats if floats.size(0) > 0 else whole.float()
                sent.append(floats.narrow(0, first, part.size(0)))
            first += part.size(0)
        self.take_planned(sent[len(parts) :])
        return sent[: len(parts)]

    # The pages of the calls.

    @torch.jit.export
    def set_pages(self, slot: int, first: int, pages: List[int]) -> None:
        """The pages of a slot from the given one on, by the order of its positions."""
        self.tables[slot, first : first + len(pages)] = torch.tensor(pages, dtype=torch.int64)

    @torch.jit.export
    def copy_page(self, source: int, target: int) -> None:
        for caches in self.all_keys + self.all_values:
            if caches.numel() > 0:
                caches[:, target].copy_(caches[:, source])

    @torch.jit.export
    def clear_pages(self, pages: List[int]) -> None:
        """Sets them to 0. Attention may read a page further than a sequence is, with a weight of 0, and 0 times NaN is NaN."""
        for page in pages:
            for caches in self.all_keys + self.all_values:
                if caches.numel() > 0:
                    caches[:, page].zero_()

    def plan_step(self, positions: List[int], steps: int) -> None:
        """Plans the pieces of a step's rows, so many rows at a time that their pieces are at most `MOST_PIECES`."""
        at = torch.tensor(positions)
        pages = (at + (steps - 1)).div(kv_cache.PAGE, rounding_mode="floor") + 1
        tables, begin = self.tables[: at.size(0)], torch.zeros_like(at)
        if self.deterministic:
            idle = self.slots - at.size(0)
            pages = torch.cat([pages, torch.ones([idle], dtype=torch.int64)])
            tables = torch.cat([tables, torch.zeros([idle, self.tables.size(1)], dtype=torch.int64)])
            # An idle row is at the position max_length; its only piece is that of page 0.
            begin = torch.cat([begin, torch.full([idle], -(self.max_length // kv_cache.PAGE), dtype=torch.int64)])
        self.pending_rows.clear()
        self.planned_rows.clear()
        first, rows = 0, pages.size(0)
        while first < rows:
            count = pages[first:].cumsum(0).le(kv_cache.MOST_PIECES).sum().clamp_min(1).item()
            last = first + int(count)
            own, numbers = pieces_of(pages[first:last], tables[first:last], begin[first:last])
            self.planned_rows.append([first, last - first, numbers[0], numbers[1], int(steps > 1)])
            self.pending_rows += own
            first = last

    def plan_parts(self, places: List[List[int]]) -> None:
        """Plans where parts of prompts are written to, and which pages they read."""
        self.pending_parts.clear()
        self.planned_parts.clear()
        for slot, start, length in places:
            at = torch.arange(start, start + length)
            table = self.tables[slot, : (start + length - 1) // kv_cache.PAGE + 1]
            cells = table.index_select(0, at.div(kv_cache.PAGE, rounding_mode="floor")) * kv_cache.PAGE + at % kv_cache.PAGE
            self.pending_parts += [table, cells]
            # Pages that follow each other are read where they are.
            follow = bool(table.sub(table[0]).eq(torch.arange(table.size(0))).all())
            self.planned_parts.append(int(table[0]) if follow else -1)

    def take_planned(self, sent: List[Tensor]) -> None:
        self.pieces.clear()
        self.part_pages.clear()
        self.part_cells.clear()
        at = 0
        if len(self.pending_rows) > 0:
            for first, rows, pages, even, partly in self.planned_rows:
                a, b, c = sent[at], sent[at + 1], sent[at + 2]
                d, e, f = sent[at + 3], sent[at + 4], sent[at + 5]
                self.pieces.append(Pieces(first, rows, pages, even > 0, partly > 0, a, b, c, d, e, f))
                at += 6
        while at < len(sent):
            self.part_pages.append(sent[at])
            self.part_cells.append(sent[at + 1])
            at += 2
        self.pending_rows.clear()
        self.pending_parts.clear()

    def reads_of(self, positions: Tensor) -> List[Reads]:
        """What the rows of a step attend to at their positions."""
        found: List[Reads] = []
        for p in self.pieces:
            own = positions.narrow(0, p.first, p.rows)
            sights: List[Sight] = []
            by_row = self.device.type == "cpu"
            for window, _group, ring, _both, queries, flash in self.sight_kinds:
                sights.append(sight_of(p, own, int(window), int(queries), flash > 0.0, ring == 0.0, by_row))
            found.append(Reads(p, to_rows(p, self.slot_numbers, self.cache_dtype), sights))
        return found

    def pool_cells(self, positions: Tensor) -> Tensor:
        """Where in the pool the rows of a step write: [n]."""
        return concatenated([cells_of(p, positions.narrow(0, p.first, p.rows)) for p in self.pieces])

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
        """`report` on the host."""
        return report(logits, tokens, top).to("cpu")

    # The parts of a layer. x [n, H + 8] is the residual stream. The host pays for each call of a method and for each
    # dimension of a slice too, so that there are few.

    def embed(self, tokens: Tensor) -> Tensor:
        return self.embedding.index_select(0, tokens).to(self.residual_dtype)

    def turned_by(self, positions: Tensor, pool_cells: Tensor) -> Turns:
        rotations: List[Tensor] = []
        for i in range(len(self.turns)):
            turns = self.turns[i].index_select(0, positions)
            turned = turns[:, 0] * self.unturned[i]
            rotations.append(turned.addcmul_(turns[:, 1], self.quarter_turns[i]).to(self.compute_dtype))
        cells: List[Tensor] = []
        for _window, _group, size, _both, _queries, _flash in self.sight_kinds:
            ring = int(size)
            if ring > 0:
                cells.append(torch.where(positions == self.max_length, ring, positions % ring))
            else:
                cells.append(pool_cells)
        return Turns(rotations, [growth.index_select(0, positions) for growth in self.growths], cells)

    def norm(self, x: Tensor) -> Tensor:
        """RMSNorm without its weights and the square root of H: [n, H]."""
        out = torch.empty([x.size(0), self.hidden], dtype=self.compute_dtype, device=self.device)
        length = torch.linalg.vector_norm(x, 2, [1], True, dtype=torch.float32)
        torch.div(x.narrow(1, 0, self.hidden), length, out=out)
        return out

    def add_product(
        self, x: Tensor, inputs: Tensor, matrix: Tensor, bias: Optional[Tensor], post_norm: Optional[Tensor]
    ) -> None:
        """Adds a product to the residual stream."""
        if self.residual_dtype == self.compute_dtype and bias is None and post_norm is None:
            x.narrow(1, 0, self.hidden).addmm_(inputs, matrix.t())
        else:
            self.add_result(x, F.linear(inputs, matrix, bias), post_norm)

    def add_result(self, x: Tensor, result: Tensor, post_norm: Optional[Tensor]) -> None:
        stream = x.narrow(1, 0, self.hidden)
        if post_norm is None:
            stream.add_(result)
        else:
            length = torch.linalg.vector_norm(result, 2, [1], True, dtype=torch.float32)
            stream.addcmul_(torch.div(result, torch.hypot(length, self.norm_epsilon)), post_norm)

    def head_lengths(self, qk: Tensor, d: Layer) -> Tensor:
        """The lengths of heads, or of all heads of queries and of keys, in float32: [n, A + G, 1]."""
        each = torch.linalg.vector_norm(qk, 2, [2], True, dtype=torch.float32)
        if d.head_norm == "each":
            return each
        queries = torch.linalg.vector_norm(each[:, : d.heads], 2, [1], True).expand(-1, d.heads, -1)
        keys = torch.linalg.vector_norm(each[:, d.heads :], 2, [1], True).expand(-1, d.kv_heads, -1)
        return torch.cat([queries, keys], 1)

    def first_product(self, x: Tensor, layer: DenseLayer) -> Tensor:
        inputs = self.norm(x) if layer.norm_before else x.narrow(1, 0, self.hidden).to(self.compute_dtype)
        return F.linear(inputs, layer.qkv, layer.qkv_bias)

    def attention_inputs(self, x: Tensor, layer: DenseLayer, turns: Turns) -> Tuple[Tensor, Tensor, Tensor]:
        """Queries and keys with rotary positions, [n, A + G, D], and values [n, G, D], in the cache's type; gates [n, A, D] or
        `no_gates`. There are no keys and values in a layer that reads those of an earlier one."""
        d = layer.described
        kv_heads = d.kv_heads if d.keys_of < 0 else 0
        turning = d.heads + kv_heads
        qkv = self.first_product(x, layer).view(x.size(0), -1, d.head_dim)
        qk, v, head_norms = qkv.narrow(1, 0, turning), qkv.narrow(1, turning, kv_heads), layer.head_norms
        if head_norms is not None:
            part = qkv.narrow(1, 0, head_norms.size(0))
            normed = torch.empty(part.size(), dtype=self.compute_dtype, device=self.device)
            part = torch.div(part, torch.hypot(self.head_lengths(part, d), layer.head_norm_epsilon))
            part = torch.mul(part, head_norms, out=normed)
            qk = part.narrow(1, 0, turning)
            if part.size(1) > turning:
                v = part.narrow(1, turning, kv_heads)
        if layer.rotation >= 0:
            qk = torch.bmm(qk, turns.rotations[layer.rotation])
        if layer.growth >= 0:
            qk.narrow(1, 0, d.heads).mul_(turns.growths[layer.growth])
        gates = qkv.narrow(1, turning + kv_heads, d.heads) if d.gated else self.no_gates
        return qk.to(self.cache_dtype), v.to(self.cache_dtype), gates

    def add_attention(self, x: Tensor, attention: Tensor, gates: Tensor, layer: DenseLayer) -> None:
        """Adds what the last matrix of a mixer makes of attention [n, A · D]."""
        if gates.size(1) > 0:
            attention = attention * gates.reshape(attention.size()).sigmoid()
        self.add_product(x, attention, layer.output, layer.output_bias, layer.attention_post_norm)

    def add_activated(
        self, x: Tensor, between: Tensor, d: Layer, matrix: Tensor, bias: Optional[Tensor], post_norm: Optional[Tensor]
    ) -> None:
        """Adds what a block's last matrix makes of gates and values."""
        if self.compute_dtype == torch.float16:
            self.add_result(x, activated_product(between, d.activation, matrix, bias), post_norm)
        else:
            self.add_product(x, activated(between, d.activation), matrix, bias, post_norm)

    def feed_forward(self, x: Tensor, layer: DenseLayer, apart: bool) -> None:
        """apart: each row's experts run for it alone"""
        d, router = layer.described, layer.router
        inputs = self.norm(x) if layer.norm_before else x.narrow(1, 0, self.hidden).to(self.compute_dtype)
        if router is None:
            between = F.linear(inputs, layer.gate_up, layer.gate_up_bias)
            self.add_activated(x, between, d, layer.down, layer.down_bias, layer.feed_forward_post_norm)
        else:
            weights, chosen = routed(F.linear(inputs.float(), router, layer.router_bias), d)
            scales = layer.expert_scales
            if scales is not None:
                weights = weights * scales[chosen]
            gate_up, down = (layer.gate_up, layer.gate_up_bias), (layer.down, layer.down_bias)
            result = run_experts(inputs, weights, chosen, gate_up, down, d.activation, apart)
            result = self.normed(result, layer.experts_post_norm)
            shared_gate_up, shared_down = layer.shared_gate_up, layer.shared_down
            if shared_gate_up is not None and shared_down is not None:
                beside = activated_product(F.linear(inputs, shared_gate_up), d.activation, shared_down, None)
                beside, gate = self.normed(beside, layer.shared_post_norm), layer.shared_gate
                if gate is not None:
                    beside = beside * F.linear(inputs.float(), gate).sigmoid()
                result = result + beside
            self.add_result(x, result, layer.feed_forward_post_norm)

    def normed(self, rows: Tensor, norm: Optional[Tensor]) -> Tensor:
        """Rows [n, H] with a norm, if there is one, in float32."""
        if norm is None:
            return rows
        length = torch.linalg.vector_norm(rows, 2, [1], True, dtype=torch.float32)
        return torch.div(rows, torch.hypot(length, self.norm_epsilon)).mul_(norm)

    def layer_inputs(self, tokens: Tensor, x: Tensor) -> Tensor:
        """What each layer takes of tokens beside the stream: [layers, n, P]. The sum is scaled to keep its variance."""
        n, size = tokens.size(0), self.layer_input
        projected = F.linear(x.narrow(1, 0, self.hidden).to(self.compute_dtype), self.input_matrix).view(n, -1, size)
        length = torch.linalg.vector_norm(projected, 2, [2], True, dtype=torch.float32)
        epsilon = torch.full([1], (size * self.epsilon) ** 0.5, device=self.device)
        projected = torch.div(projected, torch.hypot(length, epsilon)).mul_(self.input_norm)
        sum = projected.add_(self.embed_for_layers(tokens).view(n, -1, size)).mul_(0.5**0.5)
        return sum.to(self.compute_dtype).transpose(0, 1).contiguous()

    def end_layer(self, x: Tensor, layer: DenseLayer, inputs: Tensor) -> None:
        """Adds what the layer makes of its inputs [n, P], and scales the stream."""
        gate, projection, scale = layer.input_gate, layer.input_projection, layer.scale
        if gate is not None and projection is not None:
            gates = F.linear(x.narrow(1, 0, self.hidden).to(self.compute_dtype), gate)
            between = torch.cat([gates, inputs], 1)
            self.add_activated(x, between, layer.described, projection, None, layer.input_post_norm)
        if scale is not None:
            x.narrow(1, 0, self.hidden).mul_(scale)

    def head(self, x: Tensor) -> Tensor:
        return self.bounded(F.linear(self.norm(x), self.head_matrix).float())

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Optional[Tensor], layer: DenseLayer) -> Tensor:
        """q [b, G, m, D] to k and v [b, G, length, D]: [b, m, G · D]."""
        d, sinks = layer.described, layer.sinks
        if sinks is None and d.cap == 0.0:
            out = F.scaled_dot_product_attention(q, k, v, mask, 0.0, False, scale=d.scale)
        else:
            out = torch.matmul(self.attention_weights(q, k, mask, layer), v)
        return out.transpose(1, 2).reshape(q.size(0), q.size(2), -1).to(self.compute_dtype)

    def attention_weights(self, q: Tensor, k: Tensor, mask: Optional[Tensor], layer: DenseLayer) -> Tensor:
        """The weights of positions, [b, G, m, length], of scores that no kernel for attention has."""
        d, sinks = layer.described, layer.sinks
        scores = torch.matmul(q, k.transpose(2, 3)).float().mul_(d.scale)
        if d.cap > 0.0:
            scores = scores.div_(d.cap).tanh_().mul_(d.cap)
        if mask is not None:
            scores = scores.add_(mask)
        if sinks is None:
            return scores.softmax(3).to(q.dtype)
        # A column for the sinks of each head, the positions of a chunk one after the other.
        column = sinks.repeat(1, q.size(2) // sinks.size(1), 1).unsqueeze(0).expand(q.size(0), -1, -1, -1)
        return torch.cat([scores, column], 3).softmax(3)[..., :-1].to(q.dtype)

    # Decode steps: one token for each of the sequences in slots 0 to n - 1.

    def decode_masks(self, positions: Tensor, length: int, alone: bool) -> List[Tensor]:
        """For each sight of layers with rings, the `mask` of the rows of a step: [n, 1, A / G, length or ring]. A ring that no
        sequence has filled is as all positions.

        alone: there is one row, and `length` ends with it. Then only full rings have masks.
        """
        masks: List[Tensor] = []
        last = positions.view(-1, 1, 1, 1)
        for window, group, size, _both, _queries, _flash in self.sight_kinds:
            ring = int(size)
            if ring > 0 and length > ring:
                shape = [positions.size(0), 1, int(group), ring]
                masks.append(self.mask(shape, self.held(last, ring), last, int(window)))
            elif alone or ring == 0:
                masks.append(self.no_mask)
            else:
                shape = [positions.size(0), 1, int(group), length]
                masks.append(self.mask(shape, self.places[:length], last, int(window)))
        return masks

    def held(self, last: Tensor, ring: int) -> Tensor:
        """The positions in the cells of a ring whose newest is `last`. Those below 0 have not been written to; a position
        that nothing sees takes their place."""
        held = last - (last - self.places[:ring]) % ring
        return held.masked_fill(held < 0, self.length)

    def mask(self, shape: List[int], places: Tensor, last: Tensor, window: int) -> Tensor:
        """What is added to the scores of places for a row at position `last`: 0 for those that it sees. The others get a
        number whose exponential is 0 in any type. It is finite, because some kernels for attention make NaN of a piece
        of positions none of which a row sees."""
        unseen = places > last
        if window > 0:
            unseen = unseen.logical_or_(places <= last - window)
        return self.hidden_places(shape, unseen)

    def mask_of_text(self, shape: List[int], places: Tensor, last: Tensor, window: int) -> Tensor:
        """As `mask`, for the rows of a whole text, which also see those after them."""
        unseen = (places >= last.size(0)).expand(last.size(0), 1, -1)
        if window > 0:
            unseen = unseen.logical_or((places - last).abs() >= window)
        return self.hidden_places(shape, unseen)

    def hidden_places(self, shape: List[int], unseen: Tensor) -> Tensor:
        return torch.zeros(shape, dtype=self.cache_dtype, device=self.device).masked_fill_(unseen, -30000.0)

    def decode_attention(
        self, qk: Tensor, v: Tensor, layer: DenseLayer, cells: Tensor, length: int, masks: List[Tensor], reads: List[Reads]
    ) -> Tensor:
        """Writes a step's keys and values to the cache and attends: [n, A · D]."""
        n, d = qk.size(0), layer.described
        if d.ring > 0:
            return self.ring_attention(qk, v, layer, cells, length, masks[layer.sight])
        if d.keys_of < 0:
            self.put(layer, cells, qk.narrow(1, d.heads, d.kv_heads), v)
        parts: List[Tensor] = []
        for r in reads:
            own = qk if len(reads) == 1 else qk.narrow(0, r.pieces.first, r.pieces.rows)
            sight = r.sights[layer.sight]
            found = attend_to_pieces(own, layer.keys, layer.values, r.pieces, sight, r.to_rows, d, layer.sinks, self.deterministic)
            parts.append(found.to(self.compute_dtype))
        return concatenated(parts)

    def put(self, layer: DenseLayer, cells: Tensor, k: Tensor, v: Tensor) -> None:
        """Writes keys and values [n, G, D] to cells of the pool."""
        layer.keys.view(-1, k.size(1), k.size(2)).index_copy_(0, cells, k)
        layer.values.view(-1, k.size(1), k.size(2)).index_copy_(0, cells, v)

    def ring_attention(self, qk: Tensor, v: Tensor, layer: DenseLayer, cells: Tensor, length: int, of_sight: Tensor) -> Tensor:
        """Of a layer with rings, likewise. A single row without a mask sees all of the length and its window."""
        n, d = qk.size(0), layer.described
        if d.keys_of < 0:
            at: List[Optional[Tensor]] = [self.slot_numbers[:n], cells]
            layer.keys.index_put_(at, qk.narrow(1, d.heads, d.kv_heads))
            layer.values.index_put_(at, v)
        q = qk.narrow(1, 0, d.heads).view(n, -1, d.kv_heads, d.head_dim).transpose(1, 2)
        mask: Optional[Tensor] = of_sight
        first = 0
        if length > d.ring:
            length = d.ring
        elif of_sight.size(0) == 0:
            mask = None
            first = max(0, length - d.window) if d.window > 0 else 0
        k, v = layer.keys[:n, first:length].transpose(1, 2), layer.values[:n, first:length].transpose(1, 2)
        return self.attend(q, k, v, mask, layer).view(n, -1)

    def delta_steps(self, rows: Tensor, layer: DenseLayer, positions: Tensor, real: int) -> Tensor:
        """A token of each slot: [n, A · D]. Only the first `real` rows are tokens; the states of other slots stay."""
        n = rows.size(0)
        begins = (positions == 0).view(n, 1, 1)
        before = layer.last_channels[:n, 0].masked_fill(begins, 0.0)
        matrices = layer.matrices[:n, 0].masked_fill(begins.unsqueeze(3), 0.0)
        out, before = delta_step(rows.float(), matrices, before, layer.described, layer.delta)
        layer.matrices[:real, 0].copy_(matrices[:real])
        layer.last_channels[:real, 0].copy_(before[:real])
        return out.to(self.compute_dtype)

    def delta_prompt(self, rows: Tensor, layer: DenseLayer, slot: int, start: int) -> Tensor:
        """A chunk of a prompt: [n, A · D]."""
        matrices, before = layer.matrices[slot, 0], layer.last_channels[slot, 0]
        if start == 0:
            matrices.zero_()
            before.zero_()
        out, new_matrices, new_before = delta_chunk(rows.float(), matrices, before, layer.described, layer.delta)
        matrices.copy_(new_matrices)
        before.copy_(new_before)
        return out.to(self.compute_dtype)

    def layers_of_step(
        self, tokens: Tensor, positions: Tensor, chunk_tokens: Tensor, length: int, masks: List[Tensor], real: int
    ) -> Tensor:
        """The rows [n] of a step, and the chunks that run with it: [n, H + 8]. Only the first `real` rows are tokens."""
        n = tokens.size(0)
        x_tokens, x_positions, pool_cells = tokens, positions, self.pool_cells(positions)
        chunk_masks: List[List[Tensor]] = []
        if chunk_tokens.size(0) > 0:
            places = [positions]
            for _slot, start, chunk_length in self.chunk_places:
                places.append(self.places[start : start + chunk_length])
                chunk_masks.append(self.prefill_masks(start, chunk_length))
            x_tokens, x_positions = torch.cat([tokens, chunk_tokens]), torch.cat(places)
            pool_cells = torch.cat([pool_cells] + self.part_cells)
        x, turns, reads = self.embed(x_tokens), self.turned_by(x_positions, pool_cells), self.reads_of(positions)
        inputs = self.layer_inputs(x_tokens, x) if self.layer_input > 0 else x
        for index, layer in enumerate(self.run_layers):
            if layer.described.kernel > 0:
                attention, gates = self.delta_of_step(self.first_product(x, layer), layer, positions, real), self.no_gates
            elif len(chunk_masks) == 0:
                qk, v, gates = self.attention_inputs(x, layer, turns)
                attention = self.decode_attention(qk, v, layer, turns.cells[layer.sight], length, masks, reads)
            else:
                qk, v, gates = self.attention_inputs(x, layer, turns)
                cells = turns.cells[layer.sight]
                all = [self.decode_attention(qk[:n], v[:n], layer, cells[:n], length, masks, reads)]
                all += self.attention_of_parts(qk[n:], v[n:], layer, cells[n:], self.chunk_places, chunk_masks)
                attention = torch.cat(all)
            self.add_attention(x, attention, gates, layer)
            self.feed_forward(x, layer, self.deterministic)
            self.end_layer(x, layer, inputs[index] if self.layer_input > 0 else inputs)
        return x[:n]

    def delta_of_step(self, rows: Tensor, layer: DenseLayer, positions: Tensor, real: int) -> Tensor:
        """The rows of a step, and the chunks that run with it: [all, A · D]."""
        n = positions.size(0)
        if rows.size(0) == n:
            return self.delta_steps(rows, layer, positions, real)
        all = [self.delta_steps(rows[:n], layer, positions, real)]
        return torch.cat(all + self.delta_of_parts(rows[n:], layer, self.chunk_places))

    def delta_of_parts(self, rows: Tensor, layer: DenseLayer, places: List[List[int]]) -> List[Tensor]:
        """Of parts of prompts, whose rows are one after the other."""
        all: List[Tensor] = []
        first = 0
        for slot, start, length in places:
            all.append(self.delta_prompt(rows[first : first + length], layer, slot, start))
            first += length
        return all

    def decode_step(self, tokens: Tensor, positions: Tensor, chunk_tokens: Tensor, max_position: int) -> Tensor:
        n = tokens.size(0)
        if self.deterministic:
            tokens = torch.cat([tokens, self.idle_rows[0, n:]])
            positions = torch.cat([positions, self.idle_rows[1, n:]])
        alone = tokens.size(0) == 1
        length = self.length if self.whole_length else self.bucket(max_position + 1)
        if alone:
            length = max_position + 1
        masks = self.decode_masks(positions, length, alone) if self.has_rings else self.no_masks
        return self.head(self.layers_of_step(tokens, positions, chunk_tokens, length, masks, n))[:n]

    @torch.jit.export
    def prepare_captured(self, rows: int, length: int) -> None:
        """Before `captured_step` of so many rows, whose positions are below `length`, a multiple of 64."""
        self.plan_step([0] * rows, length)
        self.plan_parts([])
        self.upload([self.slot_numbers[:0].to("cpu")])

    @torch.jit.export
    def captured_step(self, numbers: Tensor, length: int, sampled: bool) -> Tensor:
        """A step as a CUDA graph can hold it: the same kernels for any numbers, and no copies. Layers with experts copy
        their numbers to the host and cannot be held. Only the benchmark uses it.

        numbers: float64 on the device, the integers and floats of `decode`: [3 · n + 4 · n]
        length: as of `prepare_captured`
        """
        n = numbers.size(0) // 7
        i, f = numbers[: 3 * n].view(3, n).long(), numbers[3 * n :].view(4, n).float()
        masks = self.decode_masks(i[1], length, False) if self.has_rings else self.no_masks
        x = self.layers_of_step(i[0], i[1], self.places[:0], length, masks, n)
        return sample_at_once(self.head(x), Sampling(f[0], i[2], f[1], f[2], f[3], sampled, False))

    # Prompts: a chunk of one sequence.

    def prefill_masks(self, start: int, n: int) -> List[Tensor]:
        """For each sight, the `mask` of the rows of a chunk: [1, 1, n · A / G, length or ring]. The positions end
        where the chunk does, and begin with the window of its first row, unless the ring is full. The flash kernel takes none.
        """
        masks: List[Tensor] = []
        last = self.places[start : start + n].view(n, 1, 1)
        for size, a_group, kept, both, _queries, flash in self.sight_kinds:
            window, group, ring = int(size), int(a_group), int(kept)
            if flash > 0.0:
                masks.append(self.no_mask)
                continue
            first = max(0, start + 1 - window) // 64 * 64 if window > 0 else 0
            places = self.places[first : self.bucket(start + n)]
            if ring > 0 and self.bucket(start + n) > ring:
                places = self.held(last[n - 1, 0], ring)
            shape = [n, group, places.size(0)]
            if both > 0.0:
                mask = self.mask_of_text(shape, places, last, window)
            else:
                mask = self.mask(shape, places, last, window)
            masks.append(mask.view(1, 1, n * group, places.size(0)))
        return masks

    def prefill_attention(
        self, qk: Tensor, v: Tensor, layer: DenseLayer, place: List[int], cells: Tensor, masks: List[Tensor], part: int
    ) -> Tensor:
        """Writes a chunk's keys and values to the cache and attends to what each row sees: [n, A · D].

        place: the slot, start and length of the chunk; part: its number among those of the call
        """
        n, d, mask = qk.size(0), layer.described, masks[layer.sight]
        group = d.heads // d.kv_heads
        slot, last = place[0], place[1] + n
        if d.ring > 0:
            keys, values = layer.keys[slot], layer.values[slot]
            if d.keys_of < 0:
                keys.index_copy_(0, cells, qk[:, d.heads :])
                values.index_copy_(0, cells, v)
            last = min(self.bucket(last), d.ring)
            first = last - mask.size(3)
        else:
            if d.keys_of < 0:
                self.put(layer, cells, qk[:, d.heads :], v)
            if self.sight_kinds[layer.sight][5] > 0.0:
                first = max(0, place[1] + 1 - d.window) if d.window > 0 else 0
            else:
                last = self.bucket(last)
                first = last - mask.size(3)
            begin = first // kv_cache.PAGE
            keys = self.positions_of(layer.keys, part, begin, (last - 1) // kv_cache.PAGE + 1)
            values = self.positions_of(layer.values, part, begin, (last - 1) // kv_cache.PAGE + 1)
            first, last = first - begin * kv_cache.PAGE, last - begin * kv_cache.PAGE
        if mask.size(0) == 0:
            return self.flash_prompt(qk.narrow(1, 0, d.heads), keys[first:last], values[first:last], layer)
        q = qk[:, : d.heads].reshape(1, n * group, d.kv_heads, d.head_dim).transpose(1, 2)
        k, v = keys[first:last].transpose(0, 1).unsqueeze(0), values[first:last].transpose(0, 1).unsqueeze(0)
        return self.attend(q, k, v, mask, layer).view(n, -1)

    def positions_of(self, pool: Tensor, part: int, first: int, last: int) -> Tensor:
        """Pages of a part of a prompt, `last` exclusive: [positions, G, D]. They are copied unless they follow each other."""
        page = self.planned_parts[part]
        if page >= 0:
            return pool.narrow(0, page + first, last - first).flatten(0, 1)
        return pool.index_select(0, self.part_pages[part].narrow(0, first, last - first)).flatten(0, 1)

    def flash_prompt(self, q: Tensor, k: Tensor, v: Tensor, layer: DenseLayer) -> Tensor:
        """q [n, A, D] to k and v [positions, G, D], which end with the last query: [n, A · D]. The kernel has the heads of a
        group beside each other."""
        n, d = q.size(0), layer.described
        by_key = q.reshape(n, -1, d.kv_heads, d.head_dim).transpose(1, 2).reshape(1, n, d.heads, d.head_dim)
        out, lse = flash_causal(by_key, k.unsqueeze(0), v.unsqueeze(0), d.scale, d.window)
        sinks = layer.sinks
        if sinks is not None:
            left = lse.view(d.kv_heads, -1, n).sub(sinks).sigmoid().permute(2, 0, 1)
            out = out.view(n, d.kv_heads, -1, d.head_dim).mul_(left.unsqueeze(3))
        out = out.view(n, d.kv_heads, -1, d.head_dim).transpose(1, 2)
        return out.reshape(n, -1).to(self.compute_dtype)

    def attention_of_parts(
        self, qk: Tensor, v: Tensor, layer: DenseLayer, cells: Tensor, places: List[List[int]], masks: List[List[Tensor]]
    ) -> List[Tensor]:
        """Of parts of prompts, whose rows are one after the other."""
        all: List[Tensor] = []
        first = 0
        for i, place in enumerate(places):
            last = first + place[2]
            own = cells[first:last]
            all.append(self.prefill_attention(qk[first:last], v[first:last], layer, place, own, masks[i], i))
            first = last
        return all

    def run_chunk(self, tokens: Tensor, slot: int, start: int, first: int) -> Tensor:
        return self.run_parts(tokens, [[slot, start, tokens.size(0)]])[first:]

    def run_parts(self, tokens: Tensor, places: List[List[int]]) -> Tensor:
        own_places: List[Tensor] = []
        masks: List[List[Tensor]] = []
        for _slot, start, length in places:
            own_places.append(self.places[start : start + length])
            masks.append(self.prefill_masks(start, length))
        x, turns = self.embed(tokens), self.turned_by(concatenated(own_places), concatenated(self.part_cells))
        inputs = self.layer_inputs(tokens, x) if self.layer_input > 0 else x
        for index, layer in enumerate(self.run_layers):
            gates = self.no_gates
            if layer.described.kernel > 0:
                attention = concatenated(self.delta_of_parts(self.first_product(x, layer), layer, places))
            else:
                qk, v, gates = self.attention_inputs(x, layer, turns)
                attention = concatenated(self.attention_of_parts(qk, v, layer, turns.cells[layer.sight], places, masks))
            self.add_attention(x, attention, gates, layer)
            self.feed_forward(x, layer, False)
            self.end_layer(x, layer, inputs[index] if self.layer_input > 0 else inputs)
        return x

    def last_normed(self, x: Tensor) -> Tensor:
        return self.norm(x).float() * self.output_norm

    # Slots.

    def of_states(self) -> List[Tensor]:
        """[layers, slots, STATES, …] of each kind of layers, with empty ones between them."""
        return self.ring_keys + self.ring_values + self.all_matrices + self.all_channels

    @torch.jit.export
    def copy_state(self, source: int, from_state: int, target: int, to_state: int) -> None:
        for states in self.of_states():
            if states.numel() > 0:
                states[:, target, to_state].copy_(states[:, source, from_state])

    @torch.jit.export
    def swap_slots(self, a: int, b: int, length: int) -> None:
        """Exchanges the states of two slots. The worker exchanges their pages by `set_pages`."""
        for states in self.of_states():
            for layer in range(states.size(0)):
                kv_cache.exchange(states[layer, a], states[layer, b], self.spare)

    def of_positions(self, slot: int, start: int, end: int) -> List[Tensor]:
        parts: List[Tensor] = []
        for cache in self.all_keys + self.all_values:
            if cache.numel() > 0:
                at = start
                while at < end:
                    first = at // kv_cache.PAGE * kv_cache.PAGE
                    until = min(end, first + kv_cache.PAGE)
                    parts.append(cache[:, int(self.tables[slot, at // kv_cache.PAGE]), at - first : until - first])
                    at = until
        return parts

    def of_state(self, slot: int, state: int) -> List[Tensor]:
        """Without the position of a ring that idle rows write to."""
        parts: List[Tensor] = []
        for ring in self.ring_keys + self.ring_values:
            if ring.numel() > 0:
                parts.append(ring[:, slot, state, : ring.size(3) - 1])
        for states in self.all_matrices + self.all_channels:
            if states.numel() > 0:
                parts.append(states[:, slot, state])
        return parts

    @torch.jit.export
    def clear_slot(self, slot: int, length: int) -> None:
        """Clears the states of a slot. The worker clears its pages by `clear_pages`."""
        for states in self.of_states():
            if states.numel() > 0:
                states[:, slot].zero_()
