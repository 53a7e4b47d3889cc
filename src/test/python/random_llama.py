"""Writes a GGUF file of random weights in the shape of a Llama of 1B or 8B, to measure speed and memory alone.

    python src/test/python/random_llama.py TOKENIZER.gguf OUT.gguf 1b|8b Q4_K_M|Q4_0|Q8_0    # gguf, numpy

The tokenizer is that of another GGUF file, such as the starter model. Blocks are random bytes with constant scales, and matrices of
the same size have the same numbers, so a file of 5 GB takes seconds. In Q4_K_M the matrices that llama.cpp holds in Q6_K are in Q6_K here, too. The 1B shape has no head of its own.
"""

import functools
import sys

import gguf
import numpy as np
from random_experts import copy_tokenizer

# hidden, layers, heads, kv_heads, head, width
SHAPES = {"1b": (2048, 16, 32, 8, 64, 8192), "8b": (4096, 32, 32, 8, 128, 14336)}
RANDOM = np.random.default_rng(1)
Kind = gguf.GGMLQuantizationType


def half(number: float) -> np.ndarray:
    return np.array([number], np.float16).view(np.uint8)


@functools.cache
def quantised(rows: int, columns: int, kind: Kind) -> np.ndarray:
    """Random blocks. Their numbers have about the deviation 0.7 / √columns."""
    deviation = 0.7 / columns**0.5
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = RANDOM.integers(0, 256, (rows * columns // elements, size), np.uint8)
    if kind == Kind.Q4_0:
        blocks[:, :2] = half(deviation / 4.6)
    elif kind == Kind.Q8_0:
        blocks[:, :2] = half(deviation / 74)
    elif kind == Kind.Q4_K:
        # All scales and offsets of 32 numbers are 15.
        step = deviation / 4.6 / 15
        blocks[:, :2], blocks[:, 2:4] = half(step), half(7.5 * step)
        blocks[:, 4:12], blocks[:, 12:16] = 15, 255
    else:
        assert kind == Kind.Q6_K
        blocks[:, 192:208], blocks[:, 208:] = 16, half(deviation / 18.5 / 16)
    return blocks.reshape(rows, -1)


def main(source: str, out: str, shape: str, file_type: str) -> None:
    hidden, layers, heads, kv_heads, head, width = SHAPES[shape]
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_name(f"random {shape}")
    writer.add_context_length(8192)
    writer.add_embedding_length(hidden)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(width)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(500000.0)
    writer.add_rope_dimension_count(head)
    vocabulary = copy_tokenizer(gguf.GGUFReader(source), writer)
    writer.add_vocab_size(vocabulary)
    few, more = (Kind.Q4_K, Kind.Q6_K) if file_type == "Q4_K_M" else (Kind[file_type], Kind[file_type])
    writer.add_file_type(int(gguf.LlamaFileType[f"MOSTLY_{file_type}"]))

    def add(name: str, rows: int, columns: int, kind: Kind) -> None:
        writer.add_tensor(name, quantised(rows, columns, kind), raw_dtype=kind)

    tied = shape == "1b"
    add("token_embd.weight", vocabulary, hidden, more if tied else few)
    if not tied:
        add("output.weight", vocabulary, hidden, more)
    writer.add_tensor("output_norm.weight", np.ones(hidden, np.float32))
    for layer in range(layers):
        at, eighth = f"blk.{layer}.", layers // 8
        mixed = more if layer < eighth or layer >= 7 * eighth or (layer - eighth) % 3 == 2 else few
        writer.add_tensor(at + "attn_norm.weight", np.ones(hidden, np.float32))
        writer.add_tensor(at + "ffn_norm.weight", np.ones(hidden, np.float32))
        add(at + "attn_q.weight", heads * head, hidden, few)
        add(at + "attn_k.weight", kv_heads * head, hidden, few)
        add(at + "attn_v.weight", kv_heads * head, hidden, mixed)
        add(at + "attn_output.weight", hidden, heads * head, few)
        add(at + "ffn_gate.weight", width, hidden, few)
        add(at + "ffn_up.weight", width, hidden, few)
        add(at + "ffn_down.weight", hidden, width, mixed)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
