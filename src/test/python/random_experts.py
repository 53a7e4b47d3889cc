"""Writes a GGUF file of random weights in the shape of Qwen3-30B-A3B, with fewer layers, to measure speed alone.

    python src/test/python/random_experts.py TOKENIZER.gguf OUT.gguf [LAYERS] [Q4_0|Q8_0]    # gguf, numpy

The tokenizer is that of another GGUF file, such as the starter model. All experts of a layer are the same numbers: each is
read from its own place in memory all the same.
"""

import sys

import gguf
import numpy as np

HIDDEN, HEADS, KV_HEADS, HEAD, EXPERTS, USED, WIDTH = 2048, 32, 4, 128, 128, 8, 768
RANDOM = np.random.default_rng(1)


def copy_tokenizer(source: gguf.GGUFReader, writer: gguf.GGUFWriter) -> int:
    """Returns how many tokens there are."""
    for key, field in source.fields.items():
        if key.startswith("tokenizer."):
            kind = field.types[0]
            writer.add_key_value(key, field.contents(), kind, field.types[1] if len(field.types) > 1 else None)
    return len(source.fields["tokenizer.ggml.tokens"].data)


class Tensors:
    def __init__(self, writer: gguf.GGUFWriter, kind: gguf.GGMLQuantizationType):
        self.writer, self.kind = writer, kind

    def matrix(self, name: str, rows: int, columns: int, copies: int = 0) -> None:
        numbers = RANDOM.standard_normal((rows, columns), dtype=np.float32) * (0.7 / columns**0.5)
        quantised = gguf.quants.quantize(numbers, self.kind)
        if copies:
            quantised = np.ascontiguousarray(np.broadcast_to(quantised, (copies, *quantised.shape)))
        self.writer.add_tensor(name, quantised, raw_dtype=self.kind)

    def plain(self, name: str, numbers: np.ndarray) -> None:
        self.writer.add_tensor(name, numbers.astype(np.float32))


def add_layer(tensors: Tensors, at: str) -> None:
    for norm, size in [("attn_norm", HIDDEN), ("ffn_norm", HIDDEN), ("attn_q_norm", HEAD), ("attn_k_norm", HEAD)]:
        tensors.plain(f"{at}{norm}.weight", np.ones(size))
    tensors.matrix(at + "attn_q.weight", HEADS * HEAD, HIDDEN)
    tensors.matrix(at + "attn_k.weight", KV_HEADS * HEAD, HIDDEN)
    tensors.matrix(at + "attn_v.weight", KV_HEADS * HEAD, HIDDEN)
    tensors.matrix(at + "attn_output.weight", HIDDEN, HEADS * HEAD)
    tensors.plain(at + "ffn_gate_inp.weight", RANDOM.standard_normal((EXPERTS, HIDDEN)) * 0.05)
    tensors.matrix(at + "ffn_gate_exps.weight", WIDTH, HIDDEN, EXPERTS)
    tensors.matrix(at + "ffn_up_exps.weight", WIDTH, HIDDEN, EXPERTS)
    tensors.matrix(at + "ffn_down_exps.weight", HIDDEN, WIDTH, EXPERTS)


def main(source: str, out: str, layers: str = "4", kind: str = "Q4_0") -> None:
    writer = gguf.GGUFWriter(out, "qwen3moe")
    writer.add_name("random experts")
    writer.add_context_length(8192)
    writer.add_embedding_length(HIDDEN)
    writer.add_block_count(int(layers))
    writer.add_feed_forward_length(6144)
    writer.add_expert_feed_forward_length(WIDTH)
    writer.add_expert_count(EXPERTS)
    writer.add_expert_used_count(USED)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    vocabulary = copy_tokenizer(gguf.GGUFReader(source), writer)
    tensors = Tensors(writer, gguf.GGMLQuantizationType[kind])
    tensors.matrix("token_embd.weight", vocabulary, HIDDEN)
    tensors.plain("output_norm.weight", np.ones(HIDDEN))
    for layer in range(int(layers)):
        add_layer(tensors, f"blk.{layer}.")
    tensors.matrix("output.weight", vocabulary, HIDDEN)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
