"""Files of each type that `llama-quantize` makes, run by the dense program and by the kernels in C++: a table of their sizes
and of the KL divergence from the same model in float32.

    python src/test/python/quantised_files.py LLAMA_CPP_BIN VOCABULARY.gguf LIBRARY.so [TYPE…]    # torch, gguf

LLAMA_CPP_BIN has llama-quantize and llama-imatrix, VOCABULARY.gguf a byte-level BPE tokenizer, such as the starter model.
LIBRARY.so is `target/classes/dev/llmworker/model/libllmworker-….so`. The model is random; its rows are multiples of 256. It
fails if the dense program has other logits than for the numbers that the package gguf reads, or if the kernels' differ by more
than rounded scales do.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants
from load_decoder import load

TYPES = (
    "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S IQ4_NL IQ4_XS TQ1_0 TQ2_0"
).split()
# What `llama-quantize` calls a file of such a type alone.
FILES = {"Q2_K": "Q2_K", "Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}
LAYERS, HIDDEN, HEADS, KV_HEADS, FEED_FORWARD, VOCABULARY, CONTEXT = 2, 512, 8, 4, 1024, 1024, 512
PROMPT = 96
# Of logits, as a part of their length.
MOST_DISTANCE = 6e-3


def random_tensors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    matrix = lambda rows, columns: (random.standard_normal((rows, columns)) * columns**-0.5).astype(np.float32)
    norm = lambda: (0.5 + random.random(HIDDEN)).astype(np.float32)
    kv = HIDDEN // HEADS * KV_HEADS
    tensors = {"token_embd.weight": matrix(VOCABULARY, HIDDEN), "output_norm.weight": norm()}
    for i in range(LAYERS):
        shapes = {"attn_q": (HIDDEN, HIDDEN), "attn_k": (kv, HIDDEN), "attn_v": (kv, HIDDEN), "attn_output": (HIDDEN, HIDDEN)}
        shapes |= {"ffn_gate": (FEED_FORWARD, HIDDEN), "ffn_up": (FEED_FORWARD, HIDDEN), "ffn_down": (HIDDEN, FEED_FORWARD)}
        tensors |= {f"blk.{i}.{part}_norm.weight": norm() for part in ("attn", "ffn")}
        tensors |= {f"blk.{i}.{part}.weight": matrix(*shape) for part, shape in shapes.items()}
    return tensors | {"output.weight": matrix(VOCABULARY, HIDDEN) * 4}


def write(path: Path, tensors: dict[str, np.ndarray], vocabulary: Path) -> None:
    """The first tokens of a vocabulary, among them those of all bytes, and the merges that they take."""
    fields = GGUFReader(vocabulary).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()[:VOCABULARY]
    known = set(tokens)
    merges = [m for m in fields["tokenizer.ggml.merges"].contents() if m.replace(" ", "") in known and set(m.split(" ")) <= known]
    out = GGUFWriter(path, "llama")
    for add, value in [
        (out.add_block_count, LAYERS),
        (out.add_embedding_length, HIDDEN),
        (out.add_head_count, HEADS),
        (out.add_head_count_kv, KV_HEADS),
        (out.add_feed_forward_length, FEED_FORWARD),
        (out.add_context_length, CONTEXT),
        (out.add_vocab_size, VOCABULARY),
        (out.add_rope_dimension_count, HIDDEN // HEADS),
        (out.add_rope_freq_base, 10000.0),
        (out.add_layer_norm_rms_eps, 1e-5),
        (out.add_tokenizer_model, "gpt2"),
        (out.add_tokenizer_pre, fields["tokenizer.ggml.pre"].contents()),
        (out.add_token_list, tokens),
        (out.add_token_types, fields["tokenizer.ggml.token_type"].contents()[:VOCABULARY]),
        (out.add_token_merges, merges),
        (out.add_eos_token_id, 0),
        (out.add_bos_token_id, 0),
    ]:
        add(value)
    for name, values in tensors.items():
        out.add_tensor(name, values)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def run(*command) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}:\n{(done.stdout + done.stderr)[-2000:]}")


def dequantised(path: Path) -> dict[str, np.ndarray]:
    found = {}
    for tensor in GGUFReader(path).tensors:
        found[tensor.name] = quants.dequantize(tensor.data, tensor.tensor_type).reshape(tensor.shape.tolist()[::-1])
    return found


def logits(path: Path, **form) -> torch.Tensor:
    decoder = load(path, cache="fp32", slots=1, length=CONTEXT, **form)
    ids = np.random.default_rng(6).integers(0, VOCABULARY, PROMPT).tolist()
    with torch.inference_mode():
        return decoder.prefill_logits(ids, 0, 0, True).double()


def divergence(true: torch.Tensor, found: torch.Tensor) -> float:
    """The mean KL divergence, in nats."""
    p, q = torch.log_softmax(true, 1), torch.log_softmax(found, 1)
    return float((p.exp() * (p - q)).sum(1).mean())


def main() -> None:
    tools, vocabulary, library = (Path(argument).resolve() for argument in sys.argv[1:4])
    wanted = sys.argv[4:] or TYPES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain, matrix, text = folder / "f32.gguf", folder / "imatrix.gguf", folder / "text"
        write(plain, random_tensors(), vocabulary)
        text.write_text(Path(__file__).read_text() * 2)
        run(tools / "llama-imatrix", "-m", plain, "-f", text, "-o", matrix, "-c", 128, "--chunks", 8, "-t", os.cpu_count())
        true = logits(plain, dense="fp32")
        print("| type | bytes a weight | KL, dense in float32 | KL, native |\n|---|---|---|---|")
        for kind in wanted:
            quantised, back = folder / f"{kind}.gguf", folder / "back.gguf"
            run(tools / "llama-quantize", "--pure", "--imatrix", matrix, plain, quantised, FILES.get(kind, kind), 2)
            matrices = [t for t in GGUFReader(quantised).tensors if len(t.shape) > 1]
            held = {GGMLQuantizationType(t.tensor_type).name for t in matrices}
            write(back, dequantised(quantised), vocabulary)
            dense, native = logits(quantised, dense="fp32"), logits(quantised, native=library)
            expected = logits(back, dense="fp32")
            size = sum(t.n_bytes for t in matrices) / sum(int(t.n_elements) for t in matrices)
            print(f"| {kind} | {size:.2f} | {divergence(true, dense):.4f} | {divergence(true, native):.4f} |", flush=True)
            distance = float((native - expected).norm() / expected.norm())
            if held != {kind} or not torch.equal(dense, expected) or not distance < MOST_DISTANCE:
                same = torch.equal(dense, expected)
                sys.exit(f"{kind}: the file holds {held}; dense is the same: {same}; native is off by {distance:.1e}")


if __name__ == "__main__":
    main()
