"""What a decoder does around its layers: it embeds tokens, has its program run them, and samples from the logits."""

from typing import List

import torch
from torch import Tensor

from gguf_blocks import unpack
from sampling import sample
from steering import count, marked, penalised, report, weighted, without


class Steps(torch.nn.Module):
    """A program has `decode_step`, of which a decode call takes several, and `prefill_logits`.

    Shapes: as in decoder.py.
    """

    joined_ids: List[List[int]]
    joined_places: List[List[int]]

    def __init__(self):
        super().__init__()
        self.layers = 0
        self.hidden = 0
        self.heads = 0
        self.kv_heads = 0
        self.head_dim = 0
        self.slots = 0
        self.max_length = 0
        # A row's result never depends on the other rows, to the bit.
        self.deterministic = False
        self.device = torch.device("cpu")
        # The token embedding as it lies in the file, [V, bytes of a row]; rows are unpacked as they are looked up.
        self.embedding = torch.zeros(0)
        self.embedding_type = 0
        # Parts of prompts that go with the next step, and of each the slot and the position that it starts at.
        self.joined_ids = []
        self.joined_places = []
        self.places = torch.zeros(0, dtype=torch.int64)  # 0, 1, … max_length - 1

    @torch.jit.export
    def put_embedding(self, parts: List[Tensor], gguf_type: int, rows: int) -> None:
        # A copy: the file may be closed afterwards.
        self.embedding = torch.cat([part.to(self.device) for part in parts]).view(rows, -1)
        self.embedding_type = gguf_type

    def vector(self, raw: Tensor, gguf_type: int) -> Tensor:
        return unpack(raw.to(self.device).view(1, -1), gguf_type).view(-1)

    def embed(self, tokens: Tensor) -> Tensor:
        return unpack(self.embedding.index_select(0, tokens), self.embedding_type)

    @torch.jit.export
    def decode(
        self, integers: List[int], floats: List[float], steps: int, any_sampled: bool, any_filtered: bool
    ) -> List[int]:
        """`steps` decode steps for n rows; each sampled token is the next step's input. Returns ids [steps · n].

        integers: [3 · n]: tokens, positions, top_k (0: all)
        floats: [(3 + steps) · n]: temperature (0: greedy), top_p, min_p, then each step's uniform numbers
        any_sampled, any_filtered: as in `sample`
        """
        n = len(integers) // 3
        max_position = max(integers[n : 2 * n])
        i = torch.tensor(integers, device=self.device).view(3, n)
        f = torch.tensor(floats, dtype=torch.float32, device=self.device).view(3 + steps, n)
        tokens, positions = i[0], i[1]
        ids: List[Tensor] = []
        for step in range(steps):
            logits = self.decode_step(tokens, positions, max_position + step)
            tokens = sample(logits, f[0], i[2], f[1], f[2], f[3 + step], any_sampled, any_filtered)
            positions = positions + 1
            ids.append(tokens)
        flat: List[int] = torch.cat(ids).tolist()
        return flat

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
        """As decode, for rows whose logits are adjusted or whose log-probabilities are wanted: what `report` says of
        each step and row, [steps · n, 2 + 2 · top].

        adjusted: [m], rows that have penalties or a bias; factors: [3 · m], as `penalised` takes them
        places: of m rows, tokens of prompt and answer, tokens of the answer, biased tokens; then of n rows, forbidden
            tokens; then for each forbidden place, for how many steps it is
        bias: of the biased tokens
        """
        n, m = len(integers) // 3, len(adjusted)
        max_position = max(integers[n : 2 * n])
        i = torch.tensor(integers, device=self.device).view(3, n)
        f = torch.tensor(floats, dtype=torch.float32, device=self.device).view(3 + steps, n)
        rows = torch.tensor(adjusted, dtype=torch.int64, device=self.device)
        penalties = torch.tensor(factors, dtype=torch.float32, device=self.device).view(3, m, 1)
        at: List[Tensor] = []
        for some in places:
            at.append(torch.tensor(some, dtype=torch.int64, device=self.device))
        known, generated = marked(m, vocabulary, at[0]), marked(m, vocabulary, at[1])
        biases = weighted(m, vocabulary, at[2], torch.tensor(bias, dtype=torch.float32, device=self.device))
        forbidden, forbidden_steps = at[3], at[4]
        tokens, positions = i[0], i[1]
        found: List[Tensor] = []
        for step in range(steps):
            raw = self.decode_step(tokens, positions, max_position + step)
            logits = penalised(raw, rows, penalties, known, generated, biases) if m > 0 else raw
            logits = without(logits, forbidden, forbidden_steps, step)
            tokens = sample(logits, f[0], i[2], f[1], f[2], f[3 + step], any_sampled, any_filtered)
            positions = positions + 1
            count(tokens.index_select(0, rows), known, generated)
            found.append(report(raw, tokens, top))
        return torch.cat(found)

    @torch.jit.export
    def decode_logits(self, tokens: List[int], positions: List[int]) -> Tensor:
        """One step's logits [n, V], for tests."""
        at = torch.tensor(positions, device=self.device)
        return self.decode_step(torch.tensor(tokens, device=self.device), at, max(positions))

    @torch.jit.export
    def prefill_last(
        self, ids: List[int], slot: int, start: int, top_k: int, floats: List[float], sampled: bool, filtered: bool
    ) -> int:
        """As prefill, and samples the token after the chunk. floats: temperature, top_p, min_p, uniform number"""
        logits = self.prefill_logits(ids, slot, start, False)
        f = torch.tensor(floats, dtype=torch.float32, device=self.device).view(4, 1)
        k = torch.full([1], top_k, device=self.device)
        return int(sample(logits, f[0], k, f[1], f[2], f[3], sampled, filtered))

    def forward(self, x: Tensor) -> Tensor:
        # DJL loads modules that have a forward.
        return x
