"""Time of a decode step at long contexts, with a KV cache in float16 and one in 8 bits.

    python src/test/python/cache_speed.py MODEL.gguf target/classes/dev/llmworker/model/libllmworker-linux-x86_64.so [THREADS]

Both decoders are in one process, and their steps take turns. Positions are filled by copies of a prefilled chunk: what is in
them does not matter for the time. A row of the table has medians.
"""

import sys
import time
from pathlib import Path

import torch
from load_decoder import load

CHUNK, STEPS = 512, 21
CACHES = ["fp16", "q8"]
CONTEXTS = [512, 2048, 8192, 16384, 32768]


def fill(decoder, length: int) -> None:
    """Fills `length` positions of slot 0."""
    decoder.prefill(list(range(100, 100 + CHUNK)), 0, 0)
    piece = torch.empty([1 << 26], dtype=torch.uint8)
    decoder.read_positions(0, 0, CHUNK, [piece])
    for start in range(CHUNK, length, CHUNK):
        decoder.write_positions(0, start, start + CHUNK, [piece])


def main() -> None:
    file, library = Path(sys.argv[1]).resolve(), sys.argv[2]
    threads = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    decoders = {}
    for cache in CACHES:
        decoders[cache] = load(file, cache=cache, slots=1, length=max(CONTEXTS) + STEPS, native=library)
        decoders[cache].use_threads(threads)
        fill(decoders[cache], max(CONTEXTS))
    print("| positions | " + " | ".join(f"{c}, ms" for c in CACHES) + " | ratio | prompt of 128: " + " | ".join(CACHES) + " |")
    for context in CONTEXTS:
        times = {cache: [] for cache in CACHES}
        prompts = {cache: [] for cache in CACHES}
        for _ in range(STEPS):
            for cache, decoder in decoders.items():
                begun = time.perf_counter()
                decoder.decode_logits([7], [context - 1])
                times[cache].append(time.perf_counter() - begun)
        for _ in range(3):
            for cache, decoder in decoders.items():
                begun = time.perf_counter()
                decoder.prefill(list(range(100, 228)), 0, context - 128)
                prompts[cache].append(time.perf_counter() - begun)
        median = {cache: 1e3 * sorted(all)[len(all) // 2] for cache, all in times.items()}
        slow = {cache: 1e3 * sorted(all)[len(all) // 2] for cache, all in prompts.items()}
        row = " | ".join(f"{median[c]:.2f}" for c in CACHES)
        print(f"| {context} | {row} | {median['fp16'] / median['q8']:.2f} | " + " | ".join(f"{slow[c]:.0f} ms" for c in CACHES) + " |", flush=True)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
