"""Loads the decoder programs with a GGUF file's weights as the worker does, for the scripts beside this one."""

import ctypes
import functools
from pathlib import Path

import numpy as np
import torch
from gguf import GGUFReader
from programs import HEAD, PROGRAMS, configure, layer, put_raw_matrix, rope

DENSE, PACKED, INT4, PAIR = 1, 2, 3, 4


@functools.cache
def register(library: str) -> None:
    """Registers the operators with libtorch, once, as the worker does."""
    message = ctypes.create_string_buffer(512)
    if ctypes.CDLL(library).llmworker_register(message, ctypes.c_uint64(len(message))) != 0:
        raise RuntimeError(message.value.decode())


def quantised_kind(types: list[int]) -> int:
    """The int4 form that holds parts of these GGUF types exactly; packed bfloat16 where there is none."""
    if all(t in (2, 3, 12) for t in types):
        return INT4
    return PAIR if all(t in (6, 7, 8, 13) for t in types) else PACKED


def load(
    model: Path,
    few="int4",
    many="bf16",
    many_from=9,
    cache="bf16",
    slots=4,
    length=1024,
    deterministic=False,
    lone=None,
    dense=None,
    device="cpu",
    native=None,
):
    """few, many: `int4` (as far as the types allow), `bf16` (packed) or `fp32`
    dense: the type of dense.pt's weights, which has the same for all; decoder.pt where it is None
    native: the library of src/main/native, for native.pt, which has one form whatever few and many say"""
    reader = GGUFReader(model)
    tensors = {t.name: t for t in reader.tensors}
    field = lambda key: reader.fields["llama." + key].contents()
    layers, hidden, heads = field("block_count"), field("embedding_length"), field("attention.head_count")
    dim = hidden // heads
    if native:
        register(str(native))
    decoder = torch.jit.load(PROGRAMS / ("dense.pt" if dense else "native.pt" if native else "decoder.pt"))
    if lone is None:
        lone = 0 if deterministic or cache == "fp32" else length
    own = layer(heads, field("attention.head_count_kv"), dim, field("feed_forward_length"))
    embedding = tensors["token_embd.weight"]
    ropes = [(rope(field("rope.freq_base"), dim), 1.0)]
    others = dict(lone_length=lone, epsilon=field("attention.layer_norm_rms_epsilon"), deterministic=deterministic)
    others |= dict(compute=dense or "fp32", cache=cache, device=device)
    configure(decoder, hidden, int(embedding.shape[1]), slots, length, [own] * layers, ropes, **others)
    raw = lambda name: torch.from_numpy(np.array(tensors[name].data).view(np.uint8).reshape(-1))
    kind = lambda form, types: {"int4": quantised_kind(types), "bf16": PACKED, "fp32": DENSE}[form]

    def put_matrix(i, role, *names):
        types = [int(tensors[n].tensor_type) for n in names]
        rows = [int(tensors[n].shape[1]) for n in names]
        columns = int(tensors[names[0]].shape[0])
        layouts = kind(few, types), kind(many, types), many_from
        put_raw_matrix(decoder, i, role, [raw(n) for n in names], types, rows, columns, *layouts)

    decoder.put_embedding([raw(embedding.name)], int(embedding.tensor_type), int(embedding.shape[1]))
    for i in range(layers):
        name = lambda part: f"blk.{i}.{part}.weight"
        for role, norm in (("attention_norm", name("attn_norm")), ("feed_forward_norm", name("ffn_norm"))):
            decoder.put_vector(i, role, [raw(norm)], [int(tensors[norm].tensor_type)])
        put_matrix(i, "qkv", name("attn_q"), name("attn_k"), name("attn_v"))
        put_matrix(i, "attention_output", name("attn_output"))
        put_matrix(i, "gate_up", name("ffn_gate"), name("ffn_up"))
        put_matrix(i, "down", name("ffn_down"))
    decoder.put_output_norm([raw("output_norm.weight")], int(tensors["output_norm.weight"].tensor_type))
    put_matrix(HEAD, "head", "output.weight" if "output.weight" in tensors else embedding.name)
    decoder.build()
    if not native and not dense:
        decoder.pack(1 << 62)
    return decoder
