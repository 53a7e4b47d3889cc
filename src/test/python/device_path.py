"""Checks without a GPU what `dense.pt` does with one. It runs on torch's device `meta`, which keeps shapes and types but no
values. An operator that asks the device for a value fails there. An operator that mixes devices fails here.

    python src/test/python/device_path.py             # torch 2.7.1; a table of kernel launches, exit 1 where a bound is passed
    python src/test/python/device_path.py --list      # and those of a step

An operator that makes a tensor on the device counts as one launch. On a GPU some are two: products whose sum is split,
attention to a long context, and sorts. `src/test/gpu` counts the kernels of a real one.
"""

import sys
from contextlib import contextmanager

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from programs import HEAD, configure, layer, put_raw_matrix, rope  # finds the programs' sources

import decoder as for_cpus
import dense_decoder as for_gpus
import gguf_types
from kv_cache import exchange

LAUNCHES_A_LAYER = 14
# If rows have several pages: the queries of each piece, the weights of pieces, their product, and the sum of a row's pieces.
LAUNCHES_OF_PAGES = 4
# If rows have different numbers of pages, the pieces are also put into rows and back, and empty places are marked.
LAUNCHES_OF_UNEVEN_PAGES = 3
# Ten of them find where the rows write, and where their pieces begin and end.
LAUNCHES_BESIDE = 25
NO_LAUNCH = "empty new_empty empty_like empty_strided _unsafe_view _reshape_alias lift_fresh".split()
HIDDEN, HEADS, GROUPS, DIM, FEED_FORWARD, VOCABULARY = 2048, 32, 8, 64, 8192, 128256  # of Llama 3.2 1B


class Launches(TorchDispatchMode):
    """What is done on the device, and what crosses over."""

    def __init__(self):
        super().__init__()
        self.kernels, self.up, self.down, self.allocated = [], 0, 0, []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = function._schema.name.removeprefix("aten::")
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        on_device = {t.is_meta for t in given if t.dim() > 0}
        if name == "_to_copy" and given[0].is_meta and kwargs.get("device") == torch.device("cpu"):
            self.down += 1
            return torch.zeros(given[0].size(), dtype=given[0].dtype)
        result = function(*args, **kwargs)
        made = [t for t in tree_leaves(result) if isinstance(t, torch.Tensor)]
        if name == "_to_copy" and not given[0].is_meta and made[0].is_meta:
            self.up += 1
            return result
        assert len(on_device) < 2, name + " has tensors of the host and of the device"
        view = any(r.alias_info is not None and not r.alias_info.is_write for r in function._schema.returns)
        if any(t.is_meta and t.numel() > 0 for t in made) and not view and name not in NO_LAUNCH:
            self.kernels.append(name)
        if all(r.alias_info is None for r in function._schema.returns):
            self.allocated.append(name)
        return result


def attention(q, k, v, mask=None, dropout=0.0, causal=False, scale=None):
    """One kernel, whose result lies as those of torch's kernels do."""
    assert q.dtype == k.dtype == v.dtype and (mask is None or mask.dtype == q.dtype), "attention of different types"
    assert q.stride(3) == k.stride(3) == v.stride(3) == 1, "attention would copy its inputs"
    assert mask is None or mask.size(3) % 8 == 0, "attention would pad its mask"
    shape = [q.size(0), q.size(2), q.size(1), q.size(3)]
    return torch.zeros(shape, dtype=q.dtype, device=q.device).transpose(1, 2)


@contextmanager
def attention_in_one():
    kept = torch.nn.functional.scaled_dot_product_attention
    torch.nn.functional.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        torch.nn.functional.scaled_dot_product_attention = kept


class OnMeta:
    """A decoder in bfloat16 on the device, without values."""

    def __init__(self, kind, layers, biased=False, deterministic=False, slots=32, length=2048, **described):
        self.decoder = decoder = kind()
        own = layer(HEADS, GROUPS, DIM, FEED_FORWARD, **described)
        types = dict(compute="bf16", cache="bf16", device="meta", deterministic=deterministic)
        configure(decoder, HIDDEN, VOCABULARY, slots, length, [own] * layers, [(rope(10000.0, DIM), 1.0)], **types)
        decoder.put_embedding([self.bytes(VOCABULARY * HIDDEN, 2)], gguf_types.BF16, VOCABULARY)
        for i in range(layers):
            for role, there in (("attention_norm", own.norms != "after"), ("feed_forward_norm", own.norms != "after"),
                                ("attention_post_norm", own.norms != "before"), ("feed_forward_post_norm", own.norms != "before")):
                if there:
                    self.vector(i, role, HIDDEN)
            self.put_attention(i, own, biased)
            if own.experts:
                self.matrix(i, "router", own.experts, HIDDEN)
            for _ in range(max(1, own.experts)):
                self.matrix(i, "gate_up", 2 * FEED_FORWARD, HIDDEN)
                self.matrix(i, "down", HIDDEN, FEED_FORWARD)
        decoder.put_output_norm([self.bytes(HIDDEN, 4)], gguf_types.F32)
        self.matrix(HEAD, "head", VOCABULARY, HIDDEN)
        # The kernel itself is known on this device, but not its numbers.
        decoder.flash = kind is for_gpus.DenseDecoder
        decoder.build()

    def put_attention(self, i, own, biased):
        self.matrix(i, "qkv", (HEADS + 2 * GROUPS) * DIM, HIDDEN)
        if biased:
            self.vector(i, "qkv_bias", HEADS * DIM, GROUPS * DIM, GROUPS * DIM)
        if own.head_norm == "each":
            self.vector(i, "head_norms", DIM, DIM)
        self.matrix(i, "attention_output", HIDDEN, HEADS * DIM)

    def bytes(self, count, width):
        return torch.empty([count * width], dtype=torch.uint8, device="meta")

    def vector(self, i, role, *sizes):
        self.decoder.put_vector(i, role, [self.bytes(size, 4) for size in sizes], [gguf_types.F32] * len(sizes))

    def matrix(self, i, role, rows, columns):
        put_raw_matrix(self.decoder, i, role, [self.bytes(rows * columns, 2)], [gguf_types.BF16], [rows], columns)

    def run(self, method, *arguments, first=None):
        with torch.no_grad(), attention_in_one(), Launches() as launches:
            if first:
                getattr(self.decoder, first[0])(*first[1:])
            getattr(self.decoder, method)(*arguments)
        return launches

    def decode(self, rows, position, sampled=False, filtered=False):
        return self.decode_at([position] * rows, sampled, filtered)

    def decode_at(self, positions, sampled=False, filtered=False):
        rows = len(positions)
        return self.run("decode", [1] * rows + positions + [0] * rows, [0.5] * (4 * rows), 1, sampled, filtered)

    def steered(self, top=5, bounded=()):
        places = [[1, 2], [2], [3], [4], [1]]
        lists = [0], [1.0, 0.0, 0.0], places, [1.0]
        if top < 0:
            lists = [], [], [[]] * 5, []
        masks = [torch.zeros([VOCABULARY // 8], dtype=torch.uint8)] * len(bounded)
        last = *lists, list(bounded), masks, VOCABULARY, top
        first = "begin_steered", [1] * 6
        return self.run("decode_steered", [1] * 6, [0.5] * 8, 1, True, False, *last, first=first)

    def beside(self):
        self.decoder.add_chunk([1] * 32, 20, 64)
        return self.decode(16, 100)

    def cpu_step(self, rows, position):
        """The same step of `decoder.py`."""
        tokens = torch.ones([rows], dtype=torch.int64, device="meta")
        return self.run("decode_step", tokens, tokens, tokens[:0], position)


def wrong_exchanges():
    """Slots are exchanged in parts. This has real values, because the spare memory is larger than the slots of tests."""
    wrong = []
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for numbers in (6, 7, 17, 18, 30, 99):
            both = torch.randn([5, 2, 3, 2]).to(dtype)
            expected = both.flip(1)
            exchange(both[:, 0], both[:, 1], torch.empty([numbers]))
            if not torch.equal(both, expected):
                wrong.append(f"two slots in {dtype} are not exchanged by {numbers} numbers at a time")
            exchange(both[:, 0], both[:, 0], torch.empty([numbers]))
            if not torch.equal(both, expected):
                wrong.append(f"exchanging a slot in {dtype} with itself changes it")
    return wrong


def main() -> None:
    failures = []
    print("| kernel launches | a layer | beside the layers |\n|---|---|---|")

    def row(name, call, layer_bound=LAUNCHES_A_LAYER, beside_bound=None, kind=for_gpus.DenseDecoder, up=1, down=1, **model):
        four, three = call(OnMeta(kind, 4, **model)), call(OnMeta(kind, 3, **model))
        layer = len(four.kernels) - len(three.kernels)
        beside = len(four.kernels) - 4 * layer
        print(f"| {name} | {layer} | {beside} |", flush=True)
        if layer > layer_bound or beside_bound is not None and beside > beside_bound:
            failures.append(f"{name}: {layer} launches a layer and {beside} beside, of {layer_bound} and {beside_bound}")
        if (four.up, four.down) != (up, down):
            failures.append(f"{name}: {four.up} copies to the device and {four.down} back, not {up} and {down}")
        return four

    step = row("a step of 1 row", lambda d: d.decode(1, 100), beside_bound=LAUNCHES_BESIDE)
    row("a step of 32 rows", lambda d: d.decode(32, 100), beside_bound=LAUNCHES_BESIDE)
    of_pages = LAUNCHES_A_LAYER + LAUNCHES_OF_PAGES
    row("a step of 32 rows at position 2,000", lambda d: d.decode(32, 2000), of_pages, LAUNCHES_BESIDE + 3)
    of_pages += LAUNCHES_OF_UNEVEN_PAGES
    row("a step of 32 rows at different positions", lambda d: d.decode_at([*range(0, 1984, 62)]), of_pages, LAUNCHES_BESIDE + 4)
    row("a step of 3 rows, deterministic", lambda d: d.decode(3, 100), deterministic=True)
    row("a step of 32 rows, sampled", lambda d: d.decode(32, 100, True), beside_bound=55)
    row("a step of 32 rows with top_k, top_p or min_p", lambda d: d.decode(32, 100, True, True), beside_bound=165)
    row("a step of 2 rows with penalties and log-probabilities", lambda d: d.steered(), up=2)
    row("a step of 2 rows with a format", lambda d: d.steered(-1, [0, 1]), up=3)
    row("a step of 32 rows with biases (Qwen 2)", lambda d: d.decode(32, 100), biased=True)
    row("a step of 32 rows with head norms (Qwen 3)", lambda d: d.decode(32, 100), 18, head_norm="each")
    gemma = dict(norms="around", head_norm="each", activation="gelu", window=512)
    row("a step of 32 rows of Gemma 3's layers", lambda d: d.decode(32, 100), 26, **gemma)
    row("a step of 16 rows and 32 tokens of a prompt", lambda d: d.beside(), 20)
    row("a prompt's 128 tokens", lambda d: d.run("prefill", [1] * 128, 3, 0), 16, down=0)
    sampling = [0, [0.5, 0.9, 0.1, 0.5], True, True]
    row("a prompt's last 128 tokens, sampled", lambda d: d.run("prefill_last", [1] * 128, 3, 256, *sampling), 16)
    row("copying a page", lambda d: d.run("copy_page", 1, 2), 0, 2, up=0, down=0)
    rings = dict(window=100, ring=256)
    swap = row("exchanging two slots with rings", lambda d: d.run("swap_slots", 0, 1, 100), 6, 0, up=0, down=0, **rings)
    if swap.allocated:
        failures.append(f"exchanging two slots takes memory in {set(swap.allocated)}")
    failures += wrong_exchanges()
    old = dict(layer_bound=99, kind=for_cpus.Decoder, up=0, down=0)
    row("decoder.py, a step of 32 rows", lambda d: d.cpu_step(32, 100), **old)
    row("decoder.py, a step of 32 rows at position 2,000", lambda d: d.cpu_step(32, 2000), **old)
    if "--list" in sys.argv[1:]:
        print("\na step of 1 row, four layers:", *step.kernels, sep="\n  ")
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
