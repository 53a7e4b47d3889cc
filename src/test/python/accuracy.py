"""Perplexity and KL divergence of each way to hold a model, against float32, on 4,608 tokens of documentation.

    python src/test/python/accuracy.py SmolLM2-135M-Instruct.Q4_1.gguf    # torch, transformers, gguf
    python src/test/python/accuracy.py FILE target/classes/dev/llmworker/model/libllmworker-linux-x86_64.so    # of the layers in C++ alone
    python src/test/python/accuracy.py FILE LIBRARY --vectors    # of embeddings, by the same library
    python src/test/python/accuracy.py --text    # prints the text, for other programs

The text is the docstrings of some modules of Python's own library, in nine chunks of 512 tokens; the second half of each
chunk counts. A row of the table is a pair of weights and KV cache; `few` are the weights of steps and `many` those of
prompts and large batches. The last column is the mean KL against native kernels with a float16 cache.
"""

import importlib
import inspect
import sys
from pathlib import Path

import torch
from load_decoder import load
from transformers import AutoTokenizer

MODULES = "statistics decimal argparse difflib datetime collections heapq random string textwrap pickle".split()
CHUNKS, LENGTH = 9, 512
FORMS = {
    "float32, float32 cache": dict(few="fp32", many="fp32", cache="fp32"),
    "float32, bf16 cache": dict(few="fp32", many="fp32", cache="bf16"),
    "few (int4 or int4 pairs), float32 cache": dict(few="int4", many="int4", cache="fp32"),
    "few (int4 or int4 pairs), bf16 cache": dict(few="int4", many="int4", cache="bf16"),
    "many (bf16 of few), bf16 cache": dict(few="int4", many="bf16", many_from=1, cache="bf16"),
    "bf16 of the file, bf16 cache": dict(few="bf16", many="bf16", cache="bf16"),
    "dense.pt in float32": dict(dense="fp32", cache="fp32"),
    "dense.pt in bf16": dict(dense="bf16", cache="bf16"),
    "dense.pt in fp16": dict(dense="fp16", cache="fp16"),
}
NATIVE_FORMS = {
    "float32, float32 cache": dict(few="fp32", many="fp32", cache="fp32"),
    "native, float16 cache": dict(cache="fp16"),
    "native, bf16 cache": dict(cache="bf16"),
    "native, q8 cache": dict(cache="q8"),
}
VECTOR_FORMS = {
    "float32, float32 cache": dict(few="fp32", many="fp32", cache="fp32"),
    "native, float32 cache": dict(cache="fp32"),
    "native, float16 cache": dict(cache="fp16"),
}
PARAGRAPHS = 60
# Its KL is also taken against the worker's default.
DEFAULT = "native, float16 cache"


def text() -> str:
    """The docstrings of the modules and of what is public in them."""
    parts = []
    for name in MODULES:
        module = importlib.import_module(name)
        parts.append(inspect.getdoc(module) or "")
        for _, member in sorted(inspect.getmembers(module)):
            if getattr(member, "__module__", None) == name:
                parts.append(inspect.getdoc(member) or "")
    return "\n\n".join(part for part in parts if part)


def log_probabilities(decoder, chunks: torch.Tensor):
    """Of each chunk's second half, float32 [LENGTH / 2 - 1, V]."""
    for chunk in chunks:
        logits = decoder.prefill_logits(chunk.tolist(), 1, 0, True)
        yield torch.log_softmax(logits[LENGTH // 2 : LENGTH - 1], 1)


def compare_vectors(file: Path, library: str, tokenizer) -> None:
    """Prints the cosines of embeddings of paragraphs to those in float32, and how far similarities of paragraphs are off."""
    paragraphs = [part for part in text().split("\n\n") if len(part.strip()) > 20][:PARAGRAPHS]
    ids = [tokenizer(part, add_special_tokens=False)["input_ids"][:128] for part in paragraphs]
    reference = {}
    print("| kernels, cache | of | mean cosine | least | similarities off by | at most |\n|---|---|---|---|---|---|")
    for name, form in VECTOR_FORMS.items():
        decoder = load(file, **form, slots=2, length=LENGTH, native=library if name.startswith("native") else None)
        for summed, of in ((False, "the last token"), (True, "all tokens")):
            with torch.inference_mode():
                found = torch.cat([decoder.encode(own, [[0, 0, len(own)]], summed) for own in ids]).double()
            unit = torch.nn.functional.normalize(found, dim=1)
            true = reference.setdefault(summed, unit)
            cosines, off = (true * unit).sum(1), (unit @ unit.T - true @ true.T).abs()
            figures = f"{cosines.mean():.5f} | {cosines.min():.5f} | {off.mean():.1e} | {off.max():.1e}"
            print(f"| {name} | {of} | {figures} |", flush=True)


def main() -> None:
    if sys.argv[1] == "--text":
        print(text())
        return
    file = Path(sys.argv[1]).resolve()
    forms = NATIVE_FORMS if len(sys.argv) > 2 else FORMS
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    if sys.argv[3:] == ["--vectors"]:
        return compare_vectors(file, sys.argv[2], tokenizer)
    ids = tokenizer(text(), add_special_tokens=False)["input_ids"][: CHUNKS * LENGTH]
    chunks = torch.tensor(ids).view(CHUNKS, LENGTH)
    reference, usual = [], []
    print("| weights | perplexity | ratio | mean KL | 99 % KL | same first token | KL to the default |\n|---|---|---|---|---|---|---|")
    for name, form in forms.items():
        library = sys.argv[2] if name.startswith("native") else None
        decoder = load(file, **form, slots=2, length=LENGTH, native=library)
        losses, divergences, same, to_usual = [], [], [], []
        with torch.inference_mode():
            for i, own in enumerate(log_probabilities(decoder, chunks)):
                if len(reference) == i:
                    reference.append(own)
                true = reference[i]
                losses.append(-own.gather(1, chunks[i, LENGTH // 2 + 1 :, None]).squeeze(1))
                divergences.append((true.exp() * (true - own)).sum(1))
                if name == DEFAULT:
                    usual.append(own)
                if usual:
                    to_usual.append((usual[i].exp() * (usual[i] - own)).sum(1))
                same.append((true.argmax(1) == own.argmax(1)).float())
        perplexity = torch.cat(losses).mean().exp()
        first = perplexity if name == next(iter(forms)) else first
        kl = torch.cat(divergences)
        beside = f"{torch.cat(to_usual).mean():.1e}" if to_usual else ""
        row = f"{perplexity:.4f} | {perplexity / first:.4f} | {kl.mean():.1e} | {kl.quantile(0.99):.1e}"
        print(f"| {name} | {row} | {torch.cat(same).mean() * 100:.1f} % | {beside} |", flush=True)


if __name__ == "__main__":
    main()
