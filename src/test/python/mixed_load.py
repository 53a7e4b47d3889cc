"""Time between tokens of running streams, alone and while long prompts keep arriving: of this worker or of any server with
OpenAI's /v1/completions, so that the two can be compared.

    python src/test/python/mixed_load.py http://127.0.0.1:8080 [--streams 8] [--seconds 20] [--every 1.0] [--words 420]

Prints a JSON object: of each part the median and the 99th percentile in milliseconds, their quotient, and the most; of the
prompts their tokens and the median time to the first token.
"""

import argparse
import http.client
import json
import random
import statistics
import threading
import time
import urllib.parse

WORDS = "river stone market winter letter garden engine silver music thunder paper window harbour village copper".split()


class Client:
    def __init__(self, url: str, timeout: float = 300, caches: bool = False, key: str | None = None):
        self.address = urllib.parse.urlsplit(url)
        self.timeout, self.caches = timeout, caches
        self.headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})

    def stream(self, prompt: str, tokens: int):
        """Yields (seconds, chunk) as the events of an answer come in."""
        connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=self.timeout)
        # Each server reads its own name for "no more than the prompt says, and all of the tokens".
        body = {"prompt": prompt, "max_tokens": tokens, "stream": True, "temperature": 0}
        body |= {"ignore_eos": True, "cache_prompt": self.caches, "stream_options": {"include_usage": True}}
        connection.request("POST", "/v1/completions", json.dumps(body), self.headers)
        response = connection.getresponse()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {response.read()[:300]!r}")
        try:
            for line in response:
                if line.startswith(b"data: {"):
                    yield time.perf_counter(), json.loads(line[6:])
        finally:
            connection.close()


def prompt(words: int, seed: int) -> str:
    """Other words from the first on for each seed: nothing of it is in anybody's cache."""
    source = random.Random(seed)
    return " ".join(source.choice(WORDS) for _ in range(words))


def keep_reading(client: Client, seed: int, gaps: list, stopped: threading.Event):
    """Notes [when, seconds since the token before] for one answer after the other."""
    while not stopped.is_set():
        last = None
        for now, chunk in client.stream(prompt(20, seed), 700):
            if stopped.is_set():
                return
            if chunk["choices"]:
                if last is not None:
                    gaps.append((now, now - last))
                last = now
        seed += 1000


def keep_asking(client: Client, words: int, every: float, until: float, found: list):
    seed = time.time_ns()
    while time.perf_counter() < until:
        begun = time.perf_counter()
        first, count = None, 0
        for now, chunk in client.stream(prompt(words, seed), 1):
            first = first or now
            count = (chunk.get("usage") or {}).get("prompt_tokens", count)
        found.append((first - begun, count))
        seed += 1
        time.sleep(max(0.0, begun + every - time.perf_counter()))


def summary(gaps: list) -> dict:
    milliseconds = sorted(1000 * gap for gap in gaps)
    median, p99 = statistics.median(milliseconds), milliseconds[int(len(milliseconds) * 0.99)]
    return {"tokens": len(gaps), "p50": round(median, 2), "p99": round(p99, 2), "p99/p50": round(p99 / median, 2),
            "most": round(milliseconds[-1], 2)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=20, help="of each part")
    parser.add_argument("--every", type=float, default=1.0, help="seconds from one long prompt to the next")
    parser.add_argument("--words", type=int, default=420, help="of a long prompt")
    options = parser.parse_args()
    client = Client(options.url)
    gaps, stopped, asked = [], threading.Event(), []
    readers = [
        threading.Thread(target=keep_reading, args=(client, seed, gaps, stopped), daemon=True)
        for seed in range(1, options.streams + 1)
    ]
    for reader in readers:
        reader.start()
    time.sleep(3)
    begun = time.perf_counter()
    time.sleep(options.seconds)
    mixed = time.perf_counter()
    keep_asking(client, options.words, options.every, mixed + options.seconds, asked)
    ended = time.perf_counter()
    stopped.set()
    for reader in readers:
        reader.join(10)
    print(json.dumps({
        "streams": options.streams,
        "alone": summary([gap for when, gap in gaps if begun <= when < mixed]),
        "beside prompts": summary([gap for when, gap in gaps if mixed <= when < ended]),
        "prompts": len(asked),
        "prompt tokens": statistics.median(count for _, count in asked),
        "first token p50, ms": round(1000 * statistics.median(first for first, _ in asked), 1),
    }))


if __name__ == "__main__":
    main()
