"""The base of the three decoder programs. It embeds tokens, runs the layers of a program, and samples from the logits.

Shapes: n rows (tokens) of `hidden` H values; A query heads and G key-value heads of D values; V token ids.
"""

from typing import Final, List, NamedTuple, Tuple

import torch
from torch import Tensor

import gguf_grids
from gguf_blocks import unpack
from sampling import Sampling, sample
from steering import count, forbid_others, marked, penalised, report, weighted, without

# The methods that the worker calls (`ExportedProgram` and its three kinds), by the file of the exported program.
# `export.py` and a test of the worker check that each program has them.
COMMON_METHODS = """
configure add_rope add_layer allocate put_embedding put_layer_embedding put_vector put_output_norm put_matrix build
put_projection step_bytes source_sha256 file_numbers prefill prefill_last prefill_logits add_chunk decode begin_steered decode_steered
decode_logits encode project_vectors clear_chunks copy_state swap_slots clear_slot read_positions write_positions
read_state write_state
""".split()
METHODS = {
    "decoder.pt": COMMON_METHODS + "copy_slot int4_available packing_available packs_megabytes pack_late pack unpack".split(),
    "dense.pt": COMMON_METHODS + "placement take_pages set_pages copy_page clear_pages try_flash".split(),
    "native.pt": COMMON_METHODS + "copy_slot close use_threads is_finite place_rows".split(),
}
# Of a slot in each layer that does not keep all positions: the present state, and copies at earlier positions.
STATES: Final[int] = 3
# The layer of what belongs to none, such as the last matrix, `head`.
HEAD: Final[int] = -1


class Layer(NamedTuple):
    """What a layer does. The worker's records `Attention`, `DeltaNet` and `FeedForward` describe it."""

    heads: int  # of queries; in a delta net of values
    kv_heads: int  # of keys and values; in a delta net of queries and keys
    head_dim: int  # in a delta net that of values
    window: int  # positions that a token sees; 0: all
    ring: int  # positions that it keeps; 0: all
    keys_of: int  # the earlier layer whose keys and values it reads; -1: it has its own
    rope: int  # which rotary positions; -1: none
    scale: float  # of the scores
    cap: float  # of the scores; 0: none
    growth_beta: float
    growth_length: int
    head_norm: str  # none, each or whole
    gated: bool  # the result of attention is multiplied with the sigmoid of a gate
    bidirectional: bool  # a token also sees those after it; a text then runs in one call
    kernel: int  # tokens that the convolution of a delta net sees; 0: attention
    key_dim: int  # of a head of a delta net's keys
    tiled: bool  # value head i of a delta net belongs to key head i % kv_heads; otherwise neighbours share one
    norms: str  # before, after or around
    residual_scale: float
    activation: str  # silu, gelu or clamped
    width: int  # of the feed-forward block
    experts: int  # 0: one block for all tokens
    used_experts: int
    softmax_of_chosen: bool
    normalised: bool  # the weights of the chosen experts
    experts_scale: float
    shared_width: int  # of a block beside the experts, which all tokens take; 0: none


class Rope(NamedTuple):
    frequencies: List[float]  # the angle of each pair from one position to the next, in radians
    strength: float  # factor of all values that turn


def copy_out(parts: List[Tensor], to: Tensor) -> None:
    """Copies the numbers of tensors, one after the other, to bytes. `gguf_blocks.py` says why they are copied twice."""
    first = 0
    for part in parts:
        numbers = torch.view_copy(part.contiguous().view(-1), dtype=torch.uint8)
        to.narrow(0, first, numbers.numel()).copy_(numbers)
        first += numbers.numel()


def copy_in(source: Tensor, parts: List[Tensor]) -> None:
    """As `copy_out`, the other way."""
    first = 0
    for part in parts:
        size = part.numel() * part.element_size()
        part.copy_(torch.view_copy(source.narrow(0, first, size), dtype=part.dtype).view(part.size()))
        first += size


class DecoderProgram(torch.nn.Module):
    """A program overrides the methods that raise NotImplementedError. The worker calls the exported ones.

    Loading: configure, add_rope and add_layer for each, allocate, then the embedding, vectors and matrices by layer, build.
    If a program takes its cache in `build`, the worker may configure it again before that, for other slots and contexts.
    """

    described: List[Layer]
    ropes: List[Rope]
    projections: List[Tensor]
    chunk_ids: List[int]
    chunk_places: List[List[int]]
    row_slots: List[int]

    def __init_subclass__(cls):
        # TorchScript reads the annotations of a module's own class only. This adds those of its bases.
        merged = {}
        for base in reversed(cls.__mro__):
            if base is not torch.nn.Module:
                merged.update(base.__dict__.get("__annotations__", {}))
        cls.__annotations__ = merged

    def __init__(self):
        super().__init__()
        self.layers = 0
        self.described = []
        self.ropes = []
        # What vectors of texts are multiplied with, one after the other: [out, in] float32.
        self.projections = []
        self.hidden = 0
        self.vocabulary = 0
        self.slots = 0
        self.max_length = 0
        self.lone_length = 0
        self.epsilon = 0.0
        # What is added to the weights of RMS norms.
        self.norm_offset = 0.0
        self.embedding_scale = 1.0
        self.logit_scale = 1.0
        self.logit_cap = 0.0
        # Values that each layer takes of a token beside the stream, P; 0: none.
        self.layer_input = 0
        self.compute = "fp32"
        self.cache_type = "fp32"
        # In deterministic mode a row's result never depends on the other rows, to the bit.
        self.deterministic = False
        # Whether this holds without deterministic mode too.
        self.rows_are_independent = False
        self.device = torch.device("cpu")
        # What some types of weights are unpacked by.
        self.grids = gguf_grids.all_grids()
        # The token embedding as it is in the file, [V, bytes of a row]. Rows are unpacked when they are looked up.
        self.embedding = torch.zeros(0)
        self.embedding_type = 0
        # Likewise the second embedding, [V, bytes of layers · P values].
        self.layer_embedding = torch.zeros(0)
        self.layer_embedding_type = 0
        # Chunks of prompts that run with the next step: all their tokens, and the slot, start and length of each.
        self.chunk_ids = []
        self.chunk_places = []
        # The slot of each row of the next step; empty if row i is in slot i.
        self.row_slots = []
        # Of the step that `begin_steered` has run, [n, V].
        self.begun = torch.zeros(0)
        self.places = torch.zeros(0, dtype=torch.int64)  # 0, 1, … as many as there are positions

    def forward(self, x: Tensor) -> Tensor:
        # DJL only loads modules that have a forward.
        return x

    # Loading.

    @torch.jit.export
    def configure(
        self,
        hidden: int,
        vocabulary: int,
        slots: int,
        max_length: int,
        lone_length: int,
        epsilon: float,
        norms_from_zero: bool,
        embedding_scale: float,
        logit_scale: float,
        logit_cap: float,
        layer_input: int,
        compute: str,
        cache: str,
        device: str,
        deterministic: bool,
    ) -> None:
        """lone_length: positions of the float32 copy of slot 0; only `decoder.py` has one
        norms_from_zero: whether the file has the weights of RMS norms less 1
        logit_cap: bounds the logits by a tanh; 0: no bound
        layer_input: values that each layer takes of a token beside the stream; 0: none
        compute, cache: fp32, bf16 or fp16, the type of dense matrices and of the KV cache; native_decoder.py also has a cache in q8
        """
        self.ropes.clear()
        self.described.clear()
        self.layers = 0
        self.hidden, self.vocabulary = hidden, vocabulary
        self.slots, self.max_length, self.lone_length = slots, max_length, lone_length
        self.epsilon, self.norm_offset = epsilon, 1.0 if norms_from_zero else 0.0
        self.embedding_scale, self.logit_scale, self.logit_cap = embedding_scale, logit_scale, logit_cap
        self.layer_input = layer_input
        self.compute, self.cache_type = compute, cache
        self.device = torch.device(device)
        self.grids = self.grids.to(self.device)
        self.deterministic = deterministic

    @torch.jit.export
    def add_rope(self, frequencies: List[float], strength: float) -> None:
        self.ropes.append(Rope(frequencies, strength))

    @torch.jit.export
    def add_layer(
        self,
        heads: int,
        kv_heads: int,
        head_dim: int,
        window: int,
        ring: int,
        keys_of: int,
        rope: int,
        scale: float,
        cap: float,
        growth_beta: float,
        growth_length: int,
        head_norm: str,
        gated: bool,
        bidirectional: bool,
        kernel: int,
        key_dim: int,
        tiled: bool,
        norms: str,
        residual_scale: float,
        activation: str,
        width: int,
        experts: int,
        used_experts: int,
        softmax_of_chosen: bool,
        normalised: bool,
        experts_scale: float,
        shared_width: int,
    ) -> None:
        layer = Layer(
            heads,
            kv_heads,
            head_dim,
            window,
            ring,
            keys_of,
            rope,
            scale,
            cap,
            growth_beta,
            growth_length,
            head_norm,
            gated,
            bidirectional,
            kernel,
            key_dim,
            tiled,
            norms,
            residual_scale,
            activation,
            width,
            experts,
            used_experts,
            softmax_of_chosen,
            normalised,
            experts_scale,
            shared_width,
        )
        self.described.append(layer)
        self.layers += 1

    @torch.jit.export
    def allocate(self) -> None:
        """Takes memory for the cache, and whatever else depends on the sizes."""
        raise NotImplementedError

    @torch.jit.export
    def put_embedding(self, parts: List[Tensor], gguf_type: int, rows: int) -> None:
        self.embedding = self.joined(parts).view(rows, -1)
        self.embedding_type = gguf_type

    @torch.jit.export
    def put_layer_embedding(self, parts: List[Tensor], gguf_type: int, rows: int) -> None:
        self.layer_embedding = self.joined(parts).view(rows, -1)
        self.layer_embedding_type = gguf_type

    @torch.jit.export
    def file_numbers(self, parts: List[Tensor], gguf_type: int) -> Tensor:
        """The numbers of a tensor as the program reads them from its file, float32."""
        return self.numbers(self.joined(parts).view(1, -1), gguf_type)

    def joined(self, parts: List[Tensor]) -> Tensor:
        """A copy on the device, because the file may be closed afterwards. There is never a second one."""
        whole = torch.empty([sum([part.size(0) for part in parts])], dtype=torch.uint8, device=self.device)
        first = 0
        for part in parts:
            whole.narrow(0, first, part.size(0)).copy_(part)
            first += part.size(0)
        return whole

    @torch.jit.export
    def put_output_norm(self, parts: List[Tensor], gguf_type: int) -> None:
        self.add_output_norm(self.vector(parts[0], gguf_type) + self.norm_offset)

    def add_output_norm(self, weights: Tensor) -> None:
        """weights: [H] float32"""
        raise NotImplementedError

    @torch.jit.export
    def put_vector(self, layer: int, role: str, parts: List[Tensor], types: List[int]) -> None:
        """A vector of a layer, joined from its parts: attention_norm, attention_post_norm, feed_forward_norm,
        feed_forward_post_norm [H]; qkv_bias; head_norms, of queries, keys and values if they have one, of each head or
        of all; sinks [A]; attention_output_bias [H]; router_bias; gate_up_bias and down_bias, of all experts;
        layer_scale [1]; input_post_norm [H]; expert_scales [E]; shared_gate [H] of the block beside experts; of what
        stands apart there, router_norm, whose results are divided by the root of H, experts_norm, experts_post_norm,
        shared_post_norm [H]. Of a delta net convolution [channels, kernel]; decay and decay_bias [heads], or
        decay_logarithm; read_weights [D]. Of layer -1 input_norm [P]."""
        own: List[Tensor] = []
        for i in range(len(parts)):
            own.append(self.vector(parts[i], types[i]))
        if role == "head_norms":
            d = self.described[layer]
            if d.head_norm == "each":
                own = [own[i].repeat(d.heads if i == 0 else d.kv_heads) for i in range(len(own))]
        elif role == "gate_up_bias":
            blocks = max(1, self.described[layer].experts)
            own = [torch.cat([part.view(blocks, -1) for part in own], 1).view(-1)]
        whole = torch.cat(own) if len(own) > 1 else own[0]
        if role == "decay_logarithm":
            role, whole = "decay", whole.exp().neg()
        elif role == "convolution":
            whole = whole.view(-1, self.described[layer].kernel).t().contiguous().view(-1)
        if role.endswith("norm") or role.endswith("norms"):
            whole = whole + self.norm_offset
        if role == "router_norm":
            whole = whole * float(self.hidden) ** -0.5
        self.add_vector(layer, role, whole)

    def add_vector(self, layer: int, role: str, values: Tensor) -> None:
        """values: float32; head_norms [(A + G) · D], with values [(A + 2 · G) · D], gate_up_bias expert by expert, convolution
        [kernel, channels]"""
        raise NotImplementedError

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
        """The next matrix: for each layer qkv, attention_output, router if there are experts, and for each expert or once
        gate_up and down; shared_gate_up and shared_down of a block beside the experts; input_gate [P, H] and
        input_projection [H, P]. Of layer -1 inputs [layers · P, H], and `head`, which comes last.

        Rows of qkv: queries, keys, values, gates. Of a delta net: the same, then how much each head writes and fades.

        parts: uint8, the bytes of the file's matrices whose rows it joins; types, rows: of each part
        few, many: the layouts for steps and for at least `many_from` rows; only `decoder.py` has more than one
        """
        raise NotImplementedError

    @torch.jit.export
    def put_projection(self, parts: List[Tensor], types: List[int], rows: List[int]) -> None:
        """The next matrix that vectors of texts are multiplied with. parts, types, rows: as of `put_matrix`"""
        own: List[Tensor] = []
        for i in range(len(parts)):
            own.append(self.numbers(parts[i].to(self.device).view(rows[i], -1), types[i]))
        self.projections.append(torch.cat(own))

    @torch.jit.export
    def build(self) -> None:
        """Ends loading."""
        raise NotImplementedError

    @torch.jit.export
    def step_bytes(self) -> int:
        """The bytes of matrices that a step of one row reads."""
        raise NotImplementedError

    def vector(self, raw: Tensor, gguf_type: int) -> Tensor:
        return self.numbers(raw.to(self.device).view(1, -1), gguf_type).view(-1)

    def numbers(self, raw: Tensor, gguf_type: int) -> Tensor:
        """Rows [n, bytes] of a file's blocks as float32 [n, columns]; exact."""
        return unpack(raw, gguf_type, self.grids)

    # What a program's layers do.

    def embed(self, tokens: Tensor) -> Tensor:
        return self.numbers(self.embedding.index_select(0, tokens), self.embedding_type)

    def embed_for_layers(self, tokens: Tensor) -> Tensor:
        """What the second embedding has of tokens [n]: [n, layers · P]."""
        found = self.numbers(self.layer_embedding.index_select(0, tokens), self.layer_embedding_type)
        return found.mul_(float(self.layer_input) ** 0.5)

    def bounded(self, logits: Tensor) -> Tensor:
        """Logits of the head's product, which may be overwritten, with the model's scale and cap."""
        if self.logit_scale != 1.0:
            logits = logits.mul_(self.logit_scale)
        if self.logit_cap > 0.0:
            logits = logits.div_(self.logit_cap).tanh_().mul_(self.logit_cap)
        return logits

    def decode_step(self, tokens: Tensor, positions: Tensor, chunk_tokens: Tensor, max_position: int) -> Tensor:
        """Runs tokens [n] at their positions [n] through the model, in slots 0 to n - 1: logits [n, V].

        chunk_tokens: the tokens of all chunks that run with the step; `chunk_places` says where each belongs
        """
        raise NotImplementedError

    def run_chunk(self, tokens: Tensor, slot: int, start: int, first: int) -> Tensor:
        """Runs tokens [n] at positions start, start + 1, … of a slot through the model.

        Returns what the head takes of the rows from `first` on, [n - first, …].
        """
        raise NotImplementedError

    def run_parts(self, tokens: Tensor, places: List[List[int]]) -> Tensor:
        """Runs parts of sequences, tokens [n] together, through the model. places: the slot, start and length of each part.

        Returns what the head takes of all rows, [n, …].
        """
        rows: List[Tensor] = []
        first = 0
        for slot, start, length in places:
            rows.append(self.run_chunk(tokens[first : first + length], slot, start, 0))
            first += length
        return torch.cat(rows)

    def last_normed(self, x: Tensor) -> Tensor:
        """What the norm before the head makes of rows, [n, H] float32."""
        raise NotImplementedError

    def head(self, x: Tensor) -> Tensor:
        """Logits float32 [n, V], of rows of a step or of the last row of a prompt."""
        raise NotImplementedError

    def head_of_prompt(self, x: Tensor) -> Tensor:
        """Logits float32 [n, V], of all rows of a chunk."""
        return self.head(x)

    def upload(self, parts: List[Tensor]) -> List[Tensor]:
        """Numbers [m] from the host, int64 or float32, on the device."""
        return parts

    def plan_step(self, positions: List[int], steps: int) -> None:
        """Called before the `upload` of each call that decodes rows, for what a program sends with it."""

    def plan_parts(self, places: List[List[int]]) -> None:
        """Likewise before each call that runs parts of prompts. places: the slot, start and length of each"""

    def choose(self, logits: Tensor, sampling: Sampling) -> Tuple[Tensor, Tensor]:
        """The next token of each row, int64 [n]: on the device, and once more on the host if the host knows them."""
        tokens = sample(logits, sampling)
        return tokens, tokens

    def choose_and_report(self, raw: Tensor, logits: Tensor, sampling: Sampling, top: int) -> Tuple[Tensor, Tensor]:
        """As `choose`, and what `report` says of the raw logits: the tokens on the device, the report on the host."""
        tokens = sample(logits, sampling)
        return tokens, report(raw, tokens, top)

    # Decode steps: one token for each of the sequences in slots 0 to n - 1.

    @torch.jit.export
    def add_chunk(self, ids: List[int], slot: int, start: int) -> None:
        """The next decode step also runs these tokens, at positions start, start + 1, … of a slot that is none of its
        rows. The weights are then read once for both."""
        assert self.rows_are_independent or not self.deterministic, "a row's result would depend on the chunk"
        self.chunk_ids.extend(ids)
        self.chunk_places.append([slot, start, len(ids)])

    @torch.jit.export
    def clear_chunks(self) -> None:
        """Forgets the chunks of a step that failed, and the slots of its rows."""
        self.chunk_ids.clear()
        self.chunk_places.clear()
        self.row_slots.clear()

    @torch.jit.export
    def decode(
        self, integers: List[int], floats: List[float], steps: int, any_sampled: bool, any_filtered: bool
    ) -> List[int]:
        """`steps` decode steps for n rows; each sampled token is the next step's input. Returns ids [steps · n].

        integers: [3 · n]: tokens, positions, top_k (0: all)
        floats: [(3 + steps) · n]: temperature (0: greedy), top_p, min_p, then each step's uniform numbers
        any_sampled, any_filtered: as in `Sampling`
        """
        n = len(integers) // 3
        max_position = max(integers[n : 2 * n])
        self.plan_step(integers[n : 2 * n], steps)
        self.plan_parts(self.chunk_places)
        chunk_ids = torch.tensor(self.chunk_ids, dtype=torch.int64)
        sent = self.upload([torch.tensor(integers), torch.tensor(floats, dtype=torch.float32), chunk_ids])
        i, f, chunks = sent[0].view(3, n), sent[1].view(3 + steps, n), sent[2]
        tokens, positions = i[0], i[1]
        found: List[Tensor] = []
        for step in range(steps):
            logits = self.decode_step(tokens, positions, chunks, max_position + step)
            self.clear_chunks()
            sampling = Sampling(f[0], i[2], f[1], f[2], f[3 + step], any_sampled, any_filtered)
            tokens, known = self.choose(logits, sampling)
            found.append(known)
            if step < steps - 1:
                tokens, positions = tokens.clamp_min(0), positions + 1
                chunks = chunks[:0]
        ids: List[int] = (found[0] if steps == 1 else torch.cat(found)).to("cpu").tolist()
        return ids

    @torch.jit.export
    def begin_steered(self, integers: List[int]) -> None:
        """Runs the layers of the first step of the `decode_steered` that follows, whose other arguments need not be known
        yet. integers: as in `decode`"""
        n = len(integers) // 3
        self.plan_step(integers[n : 2 * n], 1)
        self.plan_parts(self.chunk_places)
        sent = self.upload([torch.tensor(integers), torch.tensor(self.chunk_ids, dtype=torch.int64)])
        i = sent[0].view(3, n)
        self.begun = self.decode_step(i[0], i[1], sent[1], max(integers[n : 2 * n]))
        self.clear_chunks()

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
        bounded: List[int],
        allowed: List[Tensor],
        vocabulary: int,
        top: int,
    ) -> Tensor:
        """As decode, for rows whose logits are adjusted or whose log-probabilities are wanted, after `begin_steered`.

        Returns what `report` says of each step and row, [steps · n, 2 + 2 · top] or [steps · n, 1].

        adjusted: [m], rows that have penalties or a bias; factors: [3 · m], as `penalised` takes them
        places: of m rows, tokens of prompt and answer, tokens of the answer, biased tokens; then of n rows, forbidden
            tokens; then for each forbidden token, for how many steps it is forbidden
        bias: of the biased tokens
        bounded: [k], rows that may only take some tokens in the first step; allowed: of each, uint8 on the host, a bit for
            each token, the lowest first
        """
        n, m = len(integers) // 3, len(adjusted)
        max_position = max(integers[n : 2 * n])
        lists = [torch.tensor(integers), torch.tensor(floats, dtype=torch.float32)]
        lists += [torch.tensor(adjusted, dtype=torch.int64), torch.tensor(factors, dtype=torch.float32)]
        for some in places:
            lists.append(torch.tensor(some, dtype=torch.int64))
        lists.append(torch.tensor(bias, dtype=torch.float32))
        if steps > 1:
            self.plan_step(integers[n : 2 * n], steps)
        sent = self.upload(lists)
        i, f = sent[0].view(3, n), sent[1].view(3 + steps, n)
        rows, penalties = sent[2], sent[3].view(3, m, 1)
        known, generated = marked(m, vocabulary, sent[4]), marked(m, vocabulary, sent[5])
        biases = weighted(m, vocabulary, sent[6], sent[9])
        forbidden, forbidden_steps, no_chunks = sent[7], sent[8], sent[4][:0]
        tokens, positions = i[0], i[1]
        found: List[Tensor] = []
        for step in range(steps):
            raw = self.begun if step == 0 else self.decode_step(tokens, positions, no_chunks, max_position + step)
            logits = penalised(raw, rows, penalties, known, generated, biases) if m > 0 else raw
            logits = without(logits, forbidden, forbidden_steps, step)
            if step == 0 and len(bounded) > 0:
                # The report is of the raw logits.
                logits = logits if top < 0 else logits.clone()
                forbid_others(logits, bounded, allowed)
            sampling = Sampling(f[0], i[2], f[1], f[2], f[3 + step], any_sampled, any_filtered)
            tokens, own = self.choose_and_report(raw, logits, sampling, top)
            found.append(own)
            if step < steps - 1:
                tokens, positions = tokens.clamp_min(0), positions + 1
                count(tokens.index_select(0, rows), known, generated)
        return torch.cat(found)

    @torch.jit.export
    def decode_logits(self, tokens: List[int], positions: List[int]) -> Tensor:
        """One step's logits [n, V] on the host, for tests."""
        self.plan_step(positions, 1)
        sent = self.upload([torch.tensor(tokens + positions)])[0].view(2, -1)
        return self.decode_step(sent[0], sent[1], sent[0, :0], max(positions)).to("cpu")

    # Prompts: a chunk of one sequence.

    @torch.jit.export
    def prefill(self, ids: List[int], slot: int, start: int) -> None:
        self.plan_parts([[slot, start, len(ids)]])
        self.run_chunk(self.upload([torch.tensor(ids)])[0], slot, start, len(ids))

    @torch.jit.export
    def prefill_last(
        self, ids: List[int], slot: int, start: int, top_k: int, floats: List[float], sampled: bool, filtered: bool
    ) -> int:
        """As prefill, and samples the token after the chunk. floats: temperature, top_p, min_p, uniform number"""
        n = len(ids)
        self.plan_parts([[slot, start, n]])
        sent = self.upload([torch.tensor(ids + [top_k]), torch.tensor(floats, dtype=torch.float32)])
        i, f = sent[0], sent[1].view(4, 1)
        logits = self.head(self.run_chunk(i[:n], slot, start, n - 1))
        _, known = self.choose(logits, Sampling(f[0], i[n:], f[1], f[2], f[3], sampled, filtered))
        return int(known.to("cpu"))

    @torch.jit.export
    def prefill_logits(self, ids: List[int], slot: int, start: int, all_rows: bool) -> Tensor:
        """As prefill; the logits after each token of the chunk or after the last, [n or 1, V], on the host."""
        self.plan_parts([[slot, start, len(ids)]])
        tokens = self.upload([torch.tensor(ids)])[0]
        if all_rows:
            return self.head_of_prompt(self.run_chunk(tokens, slot, start, 0)).to("cpu")
        return self.head(self.run_chunk(tokens, slot, start, len(ids) - 1)).to("cpu")

    # Vectors of texts.

    @torch.jit.export
    def encode(self, ids: List[int], places: List[List[int]], summed: bool) -> Tensor:
        """Runs parts of texts through the model in one step: float32 [parts, H] on the host.

        ids: the tokens of all parts; places: the slot, start and length of each. Positions before a start are in the cache.
        summed: of each part the sum of its rows, or else its last row
        """
        self.plan_parts(places)
        rows = self.last_normed(self.run_parts(self.upload([torch.tensor(ids)])[0], places))
        found: List[Tensor] = []
        first = 0
        for _slot, _start, length in places:
            first += length
            found.append(rows[first - length : first].sum(0) if summed else rows[first - 1])
        return torch.stack(found).to("cpu")

    @torch.jit.export
    def project_vectors(self, vectors: List[float]) -> Tensor:
        """Vectors [n · H] times all projections: [n, …] on the host. One by one, so that none depends on the others."""
        found: List[Tensor] = []
        for row in torch.tensor(vectors, dtype=torch.float32).view(-1, self.hidden).to(self.device).unbind(0):
            x = row
            for matrix in self.projections:
                x = torch.mv(matrix, x)
            found.append(x)
        return torch.stack(found).to("cpu")

    # Slots.

    @torch.jit.export
    def copy_slot(self, source: int, target: int, length: int) -> None:
        """Copies the first `length` cached positions of a slot to another, in layers that keep all positions."""
        raise NotImplementedError

    @torch.jit.export
    def copy_state(self, source: int, from_state: int, target: int, to_state: int) -> None:
        """Copies what other layers keep of a slot. A slot has `STATES` of them; number 0 is the present one."""
        raise NotImplementedError

    @torch.jit.export
    def swap_slots(self, a: int, b: int, length: int) -> None:
        """Exchanges the first `length` cached positions of two slots, and all their states."""
        raise NotImplementedError

    @torch.jit.export
    def read_positions(self, slot: int, start: int, end: int, to: List[Tensor]) -> None:
        """Copies positions `start` to `end`, exclusive, of a slot to bytes on the host, in layers that keep all positions. start
        is a multiple of 8. The program may copy up to the next such multiple behind `end`, for which there are bytes too.

        to: one tensor of uint8"""
        copy_out(self.of_positions(slot, start, end), to[0])

    @torch.jit.export
    def write_positions(self, slot: int, start: int, end: int, source: List[Tensor]) -> None:
        """As `read_positions`, the other way."""
        copy_in(source[0], self.of_positions(slot, start, end))

    @torch.jit.export
    def read_state(self, slot: int, state: int, to: List[Tensor]) -> None:
        """Copies what other layers keep of a slot to bytes on the host."""
        copy_out(self.of_state(slot, state), to[0])

    @torch.jit.export
    def write_state(self, slot: int, state: int, source: List[Tensor]) -> None:
        copy_in(source[0], self.of_state(slot, state))

    def of_positions(self, slot: int, start: int, end: int) -> List[Tensor]:
        """Where positions of a slot are, in layers that keep all positions."""
        raise NotImplementedError

    def of_state(self, slot: int, state: int) -> List[Tensor]:
        """Where a state of a slot is, in the other layers."""
        raise NotImplementedError

    @torch.jit.export
    def clear_slot(self, slot: int, length: int) -> None:
        """Sets the first `length` cached positions of a slot to 0, and all its states. Another sequence's step may read them
        with a weight of 0, which does not remove a NaN."""
        raise NotImplementedError
