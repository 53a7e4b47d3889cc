"""Collects what a trial measured, and puts it into docs/performance.md:

    python src/test/gpu/figures.py FOLDER                           # FOLDER/figures.json and FOLDER/figures.md
    python src/test/gpu/figures.py FOLDER --into docs/performance.md  # and into that page, between its two marks

The folder has `bench.jsonl`, `streams.jsonl` and logs, some of them perhaps missing. The page gets the tables of one machine;
those of an earlier trial are replaced. Figures of a CPU never get into the page.
"""

import argparse
import json
import re
import sys
from pathlib import Path

BEGIN, END = "<!-- figures of src/test/gpu/run.sh trial -->", "<!-- end of these figures -->"
# By subject of a line of --self-test: what its numbers are called.
SELF_TEST = {
    "logits": r"(?P<verdict>\w+): mean KL to float32 on the CPU (?P<mean_kl>[\d.e+-]+) at (?P<positions>\d+)",
    "beside": r"(?P<verdict>\w+): mean KL to float32 on the CPU (?P<mean_kl>[\d.e+-]+) at (?P<positions>\d+)",
    "sampler": r"(?P<verdict>\w+): (?P<drawn>\d+) drawn tokens, (?P<deviations>[\d.-]+) standard deviations",
    "bandwidth": r"(?P<gigabytes_per_second>[\d.]+) GB/s",
    "decoding": r"(?P<streams>\d+) sequences?: (?P<tokens_per_second>\d+) tokens/s, (?P<bandwidth_percent>\d+) %",
    "prompts": r"(?P<tokens_per_second>\d+) tokens/s",
    "result": r"(?P<verdict>\w+) after (?P<seconds>\d+) s",
}
# Parts and columns of the tables.
TABLES = {
    "copy": ("gigabytes_per_second",),
    "logits": ("positions", "mean_kl", "max_kl", "same"),
    "greedy": ("prompts", "same_ids", "tokens_each"),
    "decode": ("streams", "context", "sampler", "tokens_per_second", "milliseconds", "bandwidth_share"),
    "graphs": ("streams", "context", "tokens_per_second", "milliseconds", "eager_milliseconds"),
    "prefill": ("tokens", "chunk", "tokens_per_second"),
    "profile": ("streams", "launches", "microseconds", "products_share", "waits"),
    "streams": ("streams", "tokens", "tokens_per_second", "first_token_p50", "gpu_megabytes", "problems"),
    "drops and cancels": ("round", "tokens_per_second", "first_token_p50", "gpu_megabytes", "problems"),
}


def lines_of_json(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def number(text: str):
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text


def self_test(text: str) -> list[dict]:
    found = []
    for line in text.splitlines():
        subject, _, rest = line.partition(" ")
        match = re.search(SELF_TEST[subject], rest) if subject in SELF_TEST else None
        if match:
            figures = {name: number(value) for name, value in match.groupdict().items()}
            found.append({"part": "self-test", "subject": subject} | figures)
        elif subject in ("model", "device", "memory"):
            found.append({"part": "self-test", "subject": subject, "text": rest.strip()})
    return found


def collected(folder: Path) -> dict:
    lines = lines_of_json(folder / "bench.jsonl") + lines_of_json(folder / "streams.jsonl")
    texts = {}
    for log in sorted(folder.glob("*.log")):
        text = log.read_text(errors="replace")
        if log.name == "self-test.log":
            lines += self_test(text)
        elif log.name in ("probe.log", "java-launches.log"):
            texts[log.stem] = text.splitlines()
        elif log.name == "worker.log":
            texts["worker"] = [line for line in text.splitlines() if re.search("KV cache|loaded|ready:", line)]
    return {"figures": lines, "texts": texts}


def machine(found: dict) -> str:
    """The card that the figures are of; `cpu` without one."""
    devices = {line["device"] for line in found["figures"] if "device" in line}
    devices |= {line["text"] for line in found["figures"] if line.get("subject") == "device"}
    named = sorted(device for device in devices if not device.startswith("cpu"))
    return named[0] if named else "cpu"


def shown(value) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return "" if value is None else str(value)


def table(columns: tuple, rows: list[dict]) -> list[str]:
    used = [c for c in columns if any(row.get(c) is not None for row in rows)]
    text = ["| " + " | ".join(c.replace("_", " ") for c in used) + " |", "|" + "---|" * len(used)]
    return text + ["| " + " | ".join(shown(row.get(c)) for c in used) + " |" for row in rows]


def page(found: dict) -> str:
    text = [f"## On a GPU: {machine(found)}", ""]
    torch = sorted({line["torch"] for line in found["figures"] if "torch" in line})
    if torch:
        text += [f"The program ran on PyTorch {', '.join(torch)}, with random weights.", ""]
    for part, columns in TABLES.items():
        rows = [line for line in found["figures"] if line.get("part") == part]
        for shape in dict.fromkeys(line.get("shape") for line in rows):
            of_shape = [line for line in rows if line.get("shape") == shape]
            text += [f"**{part}**" + (f", {shape}, {of_shape[0]['dtype']}" if shape else ""), ""]
            text += table(columns, of_shape) + [""]
    checks = [line for line in found["figures"] if line.get("part") == "self-test"]
    if checks:
        text += ["**`--self-test`**", "", "| | |", "|---|---|"]
        for line in checks:
            figures = {k: v for k, v in line.items() if k not in ("part", "subject")}
            text.append(f"| {line['subject']} | " + ", ".join(f"{k.replace('_', ' ')} {shown(v)}" for k, v in figures.items()) + " |")
        text.append("")
    return "\n".join(text)


def put_into(path: Path, text: str) -> None:
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{path} has no place for the figures: {BEGIN} … {END}")
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--into", type=Path, help="a page with the two marks")
    arguments = parser.parse_args()
    found = collected(arguments.folder)
    if not found["figures"]:
        sys.exit(f"{arguments.folder} has no figures")
    (arguments.folder / "figures.json").write_text(json.dumps(found, indent=1) + "\n")
    text = page(found)
    (arguments.folder / "figures.md").write_text(text + "\n")
    if arguments.into:
        if machine(found) == "cpu":
            sys.exit("these figures are of a CPU; the page is for those of GPUs")
        put_into(arguments.into, text)


if __name__ == "__main__":
    main()
