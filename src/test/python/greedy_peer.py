"""Compares the greedy answers of a worker with those of llama.cpp's server, both with the same GGUF file.

    llama-server -m MODEL.gguf --port 8081 --no-warmup &    MODEL=MODEL.gguf PORT=8080 ./worker &
    python src/test/python/greedy_peer.py http://127.0.0.1:8080 http://127.0.0.1:8081

Prints, for each prompt whose answers differ, the first token at which they do, and how likely each server holds the two
tokens there. Answers may differ where these are nearly the same: both servers round activations, each in its own way.
Exits with 1 if answers differ at a token that is not such a tie.
"""

import json
import math
import sys
import urllib.request

TOKENS = 32
# Two tokens whose log-probabilities are closer than this are a tie.
TIE_NATS = 0.25
PROMPTS = [
    "The capital of France is",
    "Once upon a time, in a small village by the sea,",
    "To bake bread you need",
    "The three laws of thermodynamics state that",
    "def fibonacci(n):\n",
    "SELECT name, age FROM users WHERE",
    "Q: What is the tallest mountain on Earth?\nA:",
    "Die Hauptstadt von Deutschland ist",
    "La capitale de l'Italie est",
    "El perro corre por el parque y",
    "1, 1, 2, 3, 5, 8, 13,",
    "import numpy as np\n\nx = np.",
    "Dear Sir or Madam,\n\nI am writing to",
    "The difference between a virus and a bacterium is that",
    "In 1969, Neil Armstrong",
    "Water boils at 100 degrees Celsius because",
    "The quick brown fox jumps over the lazy dog. The lazy dog",
    "<html>\n<head>\n<title>",
    "Shakespeare wrote many plays, among them",
    "東京は日本の",
]


def complete(url: str, prompt: str) -> tuple[list[str], list[dict[str, float]]]:
    """The tokens of the answer, and the log-probabilities of the likeliest tokens at each place."""
    body = {"prompt": prompt, "max_tokens": TOKENS, "temperature": 0, "logprobs": 5, "cache_prompt": False}
    request = urllib.request.Request(url + "/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as response:
        found = json.load(response)["choices"][0]["logprobs"]
    if "content" in found:
        tops = [{t["token"]: t["logprob"] for t in place["top_logprobs"]} for place in found["content"]]
        return [place["token"] for place in found["content"]], tops
    return found["tokens"], found["top_logprobs"]


def divergence(p: dict[str, float], q: dict[str, float]) -> float:
    """Kullback and Leibler's, in nats, of the tokens that both servers list."""
    return sum(math.exp(p[token]) * (p[token] - q[token]) for token in p.keys() & q.keys())


def main() -> None:
    ours, theirs = sys.argv[1:]
    same, wrong, all_divergences = 0, 0, []
    for prompt in PROMPTS:
        (a, tops_a), (b, tops_b) = complete(ours, prompt), complete(theirs, prompt)
        first = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), None)
        common = min(len(a), len(b)) if first is None else first + 1
        all_divergences += [divergence(p, q) for p, q in zip(tops_b[:common], tops_a[:common])]
        if first is None:
            same += 1
            continue
        gaps = [top.get(a[first], -99) - top.get(b[first], -99) for top in (tops_a[first], tops_b[first])]
        tie = max(abs(gap) for gap in gaps) < TIE_NATS
        wrong += not tie
        kind = "a tie" if tie else "DIFFERENT"
        print(f"{prompt!r}: token {first}: {a[first]!r} or {b[first]!r}: {kind}, {gaps[0]:+.3f} here, {gaps[1]:+.3f} there")
    mean = sum(all_divergences) / len(all_divergences)
    print(f"{same} of {len(PROMPTS)} answers are the same; KL {mean:.5f} nats on average, at most {max(all_divergences):.4f}")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
