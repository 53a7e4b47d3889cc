"""Writes src/test/resources/golden/decoder.json: what transformers makes of the starter model in float32.

    python src/test/python/golden_decoder.py SmolLM2-135M-Instruct.Q4_1.gguf    # torch, transformers, gguf, accelerate

For each prompt its ids, the ids of the greedy continuation, and of the logits after the prompt the largest 20 and some at
fixed ids.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

OUT = Path(__file__).resolve().parents[1] / "resources/golden/decoder.json"
PROMPTS = [
    "The capital of France is",
    "def fibonacci(n):\n    ",
    "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n",
    "1, 1, 2, 3, 5, 8,",
    "Lighthouse keepers led a lonely life. " * 12 + "One night",
    "<|im_start|>user\nWrite a haiku about rain.<|im_end|>\n<|im_start|>assistant\n",
]
FIXED_IDS = [0, 1, 2, 30, 1000, 12345, 25000, 49151]
NEW_TOKENS = 40


def main() -> None:
    file = Path(sys.argv[1]).resolve()
    tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
    model = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32).eval()
    cases = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            logits = model(torch.tensor([ids])).logits[0, -1]
            out = list(ids)
            for _ in range(NEW_TOKENS):
                # By hand, so that no generation default of the model takes part.
                out.append(int(model(torch.tensor([out])).logits[0, -1].argmax()))
        top = logits.topk(20)
        at = top.indices.tolist() + FIXED_IDS
        cases.append(
            {
                "prompt": prompt,
                "ids": ids,
                "greedy": out[len(ids) :],
                "logit_ids": at,
                "logits": [round(float(logits[i]), 5) for i in at],
            }
        )
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
