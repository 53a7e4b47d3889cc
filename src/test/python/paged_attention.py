"""Checks the attention of `pages.py` without a GPU: plain operators against float64, and the flash kernel's part of the work by
a stand-in on the CPU, which does what PyTorch's kernel is documented to do and nothing more.

    python src/test/python/paged_attention.py             # torch 2.7.1
"""

import math
import random
import sys

import torch

from programs import HEAD, configure, layer, put_embedding, put_head, put_matrix, put_output_norm, put_vector, rope

import dense_decoder
from kv_cache import PAGE
from pages import Pieces, attend_to_pieces, cells_of, flash_agrees, pieces_of, sight_of, to_rows

KERNEL = torch.library.Library("aten", "IMPL")
calls = []
SEEDS = 60
torch.set_num_threads(1)


def flash(query, key, value, cum_seq_q, cum_seq_k, max_q, max_k, dropout_p, is_causal, return_debug_mask, *, scale=None,
          window_size_left=None, window_size_right=None, seqused_k=None, alibi_slopes=None):
    """As torch 2.7.1's kernel: with offsets, queries and keys are flat, and `seqused_k` says how many keys from an offset on there
    are. The logarithm of no keys is plus infinity. Queries are the last ones of the keys (the mask is aligned at the bottom right).
    Key head i belongs to the queries' heads from i · A / G on."""
    calls.append("varied" if cum_seq_q is not None else "one length")
    assert query.dtype in (torch.bfloat16, torch.float16) and query.dtype == key.dtype == value.dtype
    assert query.stride(-1) == key.stride(-1) == value.stride(-1) == 1 and query.size(-1) % 8 == 0
    left = -1 if window_size_left is None else window_size_left
    right = 0 if is_causal else -1 if window_size_right is None else window_size_right
    if cum_seq_q is None:
        parts = [(query[i], key[i], value[i]) for i in range(query.size(0))]
    else:
        assert cum_seq_q.dtype == cum_seq_k.dtype == seqused_k.dtype == torch.int32 and query.dim() == 3
        assert cum_seq_q.size(0) == cum_seq_k.size(0) == seqused_k.size(0) + 1
        q, k, used = cum_seq_q.tolist(), cum_seq_k.tolist(), seqused_k.tolist()
        assert q[-1] == query.size(0) and max(b - a for a, b in zip(q, q[1:])) <= max_q and max(used) <= max_k
        assert all(0 <= begin and begin + count <= key.size(0) for begin, count in zip(k, used))
        parts = [(query[q[i] : q[i + 1]], key[k[i] : k[i] + n], value[k[i] : k[i] + n]) for i, n in enumerate(used)]
    outs, logs = [], []
    for q, k, v in parts:
        each = q.size(1) // k.size(1)
        k, v = k.double().repeat_interleave(each, 1), v.double().repeat_interleave(each, 1)
        scores = torch.einsum("qhd,khd->hqk", q.double(), k) * scale
        distance = torch.arange(k.size(0)) - (torch.arange(q.size(0)) + k.size(0) - q.size(0)).unsqueeze(1)
        if right >= 0:
            scores = scores.masked_fill(distance > right, -math.inf)
        if left >= 0:
            scores = scores.masked_fill(distance < -left, -math.inf)
        log = scores.logsumexp(2)
        out = torch.einsum("hqk,khd->qhd", (scores - log.unsqueeze(2)).exp(), v)
        outs.append(out.to(query.dtype) if k.size(0) > 0 else torch.zeros_like(q))
        logs.append(log.float() if k.size(0) > 0 else torch.full(log.size(), math.inf))
    none = torch.zeros([0])
    if cum_seq_q is None:
        return torch.stack(outs), torch.stack(logs), none, none, none
    return torch.cat(outs), torch.cat(logs, 1), none, none, none


def exact(q, keys, values, cells, scale, cap, window, sinks):
    """A row's attention in float64: q [A, D] in the order [A / G, G]."""
    groups = keys.size(2)
    k, v = keys.flatten(0, 1)[cells].double(), values.flatten(0, 1)[cells].double()
    if window:
        k, v = k[-window:], v[-window:]
    scores = torch.einsum("agd,kgd->agk", q.view(-1, groups, q.size(1)).double(), k) * scale
    if cap:
        scores = (scores / cap).tanh() * cap
    if sinks is not None:
        scores = torch.cat([scores, sinks.squeeze(2).t().unsqueeze(2).double()], 2)
        v = torch.cat([v, torch.zeros_like(v[:1])])
    return torch.einsum("agk,kgd->agd", scores.softmax(2), v).reshape(-1)


def one_case(seed, dtype, in_order, way):
    """way: `flash`; `pieces`, plain operators as on a GPU; `rows`, as on a CPU"""
    use_flash = way == "flash"
    chance = random.Random(seed)
    torch.manual_seed(seed)
    groups, each, dim = chance.choice([1, 2, 4]), chance.choice([1, 2, 5]), chance.choice([8, 64])
    n, width = chance.randint(1, 7), 5
    d = layer(groups * each, groups, dim, 0, cap=0.0 if use_flash else chance.choice([0.0, 2.0]))
    window = chance.choice([0, 0, 1, 100, 300])
    sinks = torch.randn([groups, each, 1]) if chance.random() < 0.3 else None
    keys, values = torch.randn([2, n * width + 1, PAGE, groups, dim]).to(dtype).unbind(0)
    mixed = chance.random() < 0.7
    tables = (torch.randperm(n * width) if mixed else torch.arange(n * width)).view(n, width) + 1
    same = chance.random() < 0.3
    one = chance.randint(0, width * PAGE - 1)
    positions = torch.tensor([one if same else chance.choice([0, 255, 256, chance.randint(0, width * PAGE - 1)]) for _ in range(n)])
    more = chance.choice([0, 0, 300])
    counts = (positions + more).clamp_max(width * PAGE - 1) // PAGE + 1
    sent, (most, even) = pieces_of(counts, tables, torch.zeros_like(positions))
    p = Pieces(0, n, most, even > 0, more > 0, *sent)
    qk = torch.randn([n, groups * (each + 1), dim]).to(dtype)
    sight = sight_of(p, positions, window, each + 1, use_flash, True, way == "rows")
    assert (way == "rows") == (len(sight.rows) > 0)
    rows = torch.arange(n)
    found = attend_to_pieces(qk, keys, values, p, sight, to_rows(p, rows, dtype), d, sinks, in_order).float()
    assert found.size() == (n, d.heads * dim), found.size()
    worst = 0.0
    for row in range(n):
        at = torch.arange(int(positions[row]) + 1)
        cells = tables[row][at // PAGE] * PAGE + at % PAGE
        assert int(cells_of(p, positions)[row]) == int(cells[-1])
        expected = exact(qk[row, : d.heads], keys, values, cells, d.scale, d.cap, window, sinks)
        worst = max(worst, float((expected - found[row]).abs().max()))
    return worst


def tiny(tables, compute, use_flash, deterministic=False):
    """A model of two layers, one with a window, whose slots have these pages; None: all of them in order."""
    program = torch.jit.script(dense_decoder.DenseDecoder())
    described = [layer(6, 2, 16, 48), layer(6, 2, 16, 48, window=70)]
    types = dict(compute=compute, cache=compute, deterministic=deterministic)
    configure(program, 32, 64, 4, 900, described, [(rope(10000.0, 16), 1.0)], **types)
    if tables:
        program.take_pages(1 + max(page for table in tables for page in table))
    generator = torch.Generator().manual_seed(5)

    def some(*shape):
        return torch.randn(shape, generator=generator) * 0.3

    put_embedding(program, some(64, 32))
    for i in range(2):
        put_vector(program, i, "attention_norm", some(32) + 1)
        put_vector(program, i, "feed_forward_norm", some(32) + 1)
        put_matrix(program, i, "qkv", some(6 * 16 + 4 * 16, 32))
        put_matrix(program, i, "attention_output", some(32, 96))
        put_matrix(program, i, "gate_up", some(96, 32))
        put_matrix(program, i, "down", some(32, 48))
    put_output_norm(program, some(32) + 1)
    put_head(program, some(64, 32))
    if use_flash:
        assert program.try_flash(), "the stand-in does not give what plain operators give"
    program.build()
    for slot, table in enumerate(tables or []):
        program.set_pages(slot, 0, table)
    return program


def run(program):
    """Prompts of several lengths in pieces, a step beside a part of a prompt, and steps: the logits of all."""
    ids = torch.randint(0, 64, [900], generator=torch.Generator().manual_seed(1)).tolist()
    found = []
    for slot, (begin, length) in enumerate([(0, 700), (5, 30), (9, 256)]):
        for start in range(0, length, 200):
            end = min(start + 200, length)
            found.append(program.prefill_logits(ids[begin + start : begin + end], slot, start, False))
    positions, floats = [700, 30, 256], [0.0] * 3 + [1.0] * 3 + [0.0] * 3
    program.add_chunk(ids[:40], 3, 0)
    program.add_chunk(ids[40:75], 3, 40)
    program.decode([7, 8, 9] + positions + [0] * 3, floats + [0.5] * 3, 1, False, False)
    found.append(program.decode_logits([1, 2, 3, 4], [701, 31, 257, 75]))
    tokens = program.decode([7, 8, 9] + [702, 32, 258] + [0] * 3, floats + [0.5] * 9, 3, False, False)
    found.append(program.decode_logits([5, 6], [705, 35]))
    return torch.cat(found), tokens


def main() -> None:
    mixed = [[9, 2, 14, 5], [7, 16, 3, 11], [1, 8, 10, 4], [15, 6, 13, 12]]
    worst = {}
    for seed in range(SEEDS):
        for in_order in (False, True):
            for way in ("pieces", "rows"):
                worst[way] = max(worst.get(way, 0), one_case(seed, torch.float32, in_order, way))
    assert max(worst.values()) < 1e-4, worst
    in_order, (same, ids) = run(tiny(None, "fp32", False)), run(tiny(mixed, "fp32", False))
    assert torch.allclose(in_order[0], same, atol=1e-5) and in_order[1] == ids, "pages that are mixed up give another text"
    plain16 = run(tiny(mixed, "bf16", False))[0]
    try:
        tiny(mixed, "bf16", True)
        sys.exit("the flash kernel ran on a CPU without the stand-in")
    except (RuntimeError, NotImplementedError):
        pass
    KERNEL.impl("_flash_attention_forward", flash, "CPU")
    assert flash_agrees(torch.bfloat16, torch.device("cpu"))
    for seed in range(SEEDS):
        for in_order in (False, True):
            worst["flash"] = max(worst.get("flash", 0), one_case(seed, torch.bfloat16, in_order, "flash"))
    assert worst["flash"] < 0.05, worst
    calls.clear()
    flash16 = run(tiny(mixed, "bf16", True))[0]
    assert {"varied", "one length"} <= set(calls), "the program did not take the flash kernel"
    errors = [float((logits - same).abs().mean()) for logits in (plain16, flash16)]
    assert errors[1] < 1.3 * errors[0] + 1e-3, f"in bfloat16 the flash kernel differs by {errors[1]}, plain operators by {errors[0]}"
    print(f"largest errors: {worst}; logits in bfloat16 differ by {errors[0]:.4f}, with the flash kernel's stand-in by {errors[1]:.4f}")
    # A row's bits do not depend on what other rows have.
    program = tiny(mixed, "fp32", False, deterministic=True)
    ids = torch.randint(0, 64, [900], generator=torch.Generator().manual_seed(1)).tolist()
    program.prefill(ids[:500], 0, 0)
    alone = program.decode_logits([7], [500])
    program.prefill(ids[:850], 1, 0)
    assert torch.equal(alone, program.decode_logits([7, 9], [500, 850])[:1]), "a row's bits depend on another row"


if __name__ == "__main__":
    main()
