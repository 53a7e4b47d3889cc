"""Makes a table of `decoder_bench.py`'s lines: python src/test/gpu/table.py results.jsonl"""

import json
import sys
from collections import defaultdict

HIDDEN = ("part", "shape", "dtype", "device", "torch")


def shown(value):
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return str(value)


def main() -> None:
    groups = defaultdict(list)
    for text in open(sys.argv[1]):
        line = json.loads(text)
        groups[tuple(line.get(key, "") for key in ("part", "dtype", "device", "torch"))].append(line)
    for (part, dtype, device, torch), lines in groups.items():
        columns = ["shape"] + list(dict.fromkeys(key for line in lines for key in line if key not in HIDDEN))
        print(f"\n## {part} ({dtype}, {device}, torch {torch})\n")
        print("| " + " | ".join(columns) + " |\n|" + "---|" * len(columns))
        for line in lines:
            print("| " + " | ".join(shown(line.get(column, "")) for column in columns) + " |")
    best = defaultdict(dict)
    for lines in groups.values():
        for line in lines:
            if line.get("streams") == 32 and line.get("context") == 128 and "tokens_per_second" in line:
                name = line["part"] + (", " + line["sampler"] if "sampler" in line else "")
                best[line["shape"]][name] = line["tokens_per_second"]
    for shape, figures in best.items():
        own = figures.get("decode, greedy")
        for name, value in figures.items():
            if own and name.startswith(("transformers", "vllm")):
                print(f"\n{shape}, 32 streams: {own / value:.2f} times {name}")


if __name__ == "__main__":
    main()
