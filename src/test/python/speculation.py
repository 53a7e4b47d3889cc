"""Compares two workers by how fast they answer: prompts whose answers repeat them, and ordinary ones.

    python src/test/python/speculation.py URL URL [ROUNDS] [STREAMS]

The workers serve the starter model; the second one has SPECULATION=off, or is an older version. The calls alternate between
the two. For each workload it prints tokens per second from the first token to the last, the ratio of the first worker to the
second, the ratios of single calls, and the ratio with prompts. It says how many texts of both are the same: all, with one stream.
"""

import json
import statistics
import sys
import threading
import time
import urllib.request

STORY = """The lighthouse on Gull Point was built in 1871, after three ships were lost on the reef in a single winter. Its keeper, Martin
Hale, climbed one hundred and twelve steps each evening to trim the lamp and wind the clockwork that turned the lens. He wrote the
weather of every night into a green ledger, and by the time he retired he had filled twenty-six of them. When the light was made
electric in 1938, the council wanted to burn the ledgers, but his daughter Ruth carried them home in a wheelbarrow. They stood in
her kitchen for forty years, next to the flour and the sugar, until a student of meteorology knocked at her door. He had read about
them in a letter to a newspaper, and he asked whether he might copy the numbers. Ruth made tea and gave him the key to the cupboard.
It took him two summers to type all of it, and the result changed what people thought about storms in that part of the coast. The
worst of them, it turned out, did not come in January, as the fishermen always said, but in the second half of November, when the
sea was still warm. Today the ledgers lie in a museum in the harbour, under glass, and children press their noses against it to
find the night on which they were born.""".replace("\n", " ")
CODE = '''def read_orders(path):
    orders = []
    with open(path) as file:
        for line in file:
            parts = line.strip().split(",")
            if len(parts) != 4:
                continue
            orders.append({"id": int(parts[0]), "name": parts[1], "count": int(parts[2]), "price": float(parts[3])})
    return orders


def total_price(orders):
    total = 0.0
    for order in orders:
        total = total + order["count"] * order["price"]
    return total


def most_expensive(orders):
    best = None
    for order in orders:
        price = order["count"] * order["price"]
        if best is None or price > best["count"] * best["price"]:
            best = order
    return best


def print_report(orders):
    for order in orders:
        print(order["id"], order["name"], order["count"], order["price"])
    print("total:", total_price(orders))
    print("most expensive:", most_expensive(orders))
'''
TABLE = "name,town,height,year\n" + "\n".join(
    f"{name} light,{town},{height} m,{year}"
    for name, town, height, year in [
        ("Gull Point", "Harwich", 34, 1871),
        ("Black Rock", "Wexford", 27, 1829),
        ("North Head", "Whitby", 19, 1904),
        ("Saint Anne", "Calais", 41, 1848),
        ("Long Sand", "Ostend", 23, 1891),
        ("Old Harbour", "Bergen", 16, 1782),
        ("Three Sisters", "Galway", 38, 1863),
        ("West Pier", "Dieppe", 12, 1855),
        ("Seal Island", "Oban", 29, 1877),
        ("White Cliff", "Dover", 21, 1846),
        ("Red Bank", "Esbjerg", 17, 1911),
        ("Cape Hook", "Brest", 46, 1836),
    ]
)


def once_more(request: str, text: str) -> list[str]:
    """A request, its answer, and the request for another one like it."""
    return [f"{request}\n\n{text}", text, "Write exactly the same once more, without any change."]


# Messages of user and assistant in turn. The small model needs an example to follow at a temperature of 0.7.
QUOTES = [
    ["Repeat this text word by word:\n\n" + STORY],
    ["Copy this program without any change:\n\n```python\n" + CODE + "```"],
    once_more("Copy this program without any change:", "```python\n" + CODE + "```"),
    once_more("Copy this table without any change:", TABLE),
]
ORDINARY = [
    ["Write a short story about a dog that learns to swim."],
    ["Explain how a bicycle stays upright while it moves."],
    ["What should I think about before I plant an apple tree?"],
    ["Describe the city of Venice to somebody who has never seen it."],
    ["Why is the sky blue, and why is it red in the evening?"],
    ["Give me advice for a first job interview."],
    ["Write a letter to my neighbour about the noise of his lawn mower."],
    ["What is the difference between a virus and a bacterium?"],
]


class Answer:
    def __init__(self, url: str, messages: list[str], temperature: float, tokens: int):
        body = {
            "messages": [{"role": "user" if i % 2 == 0 else "assistant", "content": text} for i, text in enumerate(messages)],
            "max_tokens": tokens,
            "temperature": temperature,
            "seed": 7,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        head = {"Content-Type": "application/json"}
        request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(), head)
        begun, first, self.text, self.tokens = time.monotonic(), None, "", 0
        with urllib.request.urlopen(request, timeout=300) as stream:
            for line in stream:
                if not line.startswith(b"data: {"):
                    continue
                chunk = json.loads(line[6:])
                for choice in chunk.get("choices", []):
                    content = choice["delta"].get("content")
                    if content:
                        first = first or time.monotonic()
                        self.text += content
                if chunk.get("usage"):
                    self.tokens = chunk["usage"]["completion_tokens"]
        self.end = time.monotonic()
        self.seconds = self.end - begun
        self.decoding = self.end - (first or self.end)


def drafts(url: str) -> tuple[float, float]:
    """How many draft tokens a worker has tried, and how many were right."""
    with urllib.request.urlopen(url + "/metrics", timeout=60) as page:
        figures = dict(line.rsplit(" ", 1) for line in page.read().decode().splitlines() if line.startswith("llmworker_draft"))
    names = ["llmworker_draft_tokens_total", "llmworker_draft_tokens_accepted_total"]
    tried, right = (float(figures.get(name, 0)) for name in names)
    return tried, right


def together(url: str, prompts: list[list[str]], temperature: float, tokens: int) -> list[Answer]:
    found: list[Answer | None] = [None] * len(prompts)

    def work(i: int) -> None:
        found[i] = Answer(url, prompts[i], temperature, tokens)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answer for answer in found if answer is not None]


def main() -> None:
    urls = [url.rstrip("/") for url in sys.argv[1:3]]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    streams = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    print(f"{streams} streams, {rounds} rounds; tokens per second: first worker, second worker; ratio: median, least, largest")
    for name, prompts, tokens in [("quote", QUOTES, 400), ("ordinary", ORDINARY, 128)]:
        for temperature in [0.0, 0.7]:
            compare(name, urls, prompts, temperature, tokens, rounds, streams)


def compare(
    name: str, urls: list[str], prompts: list[list[str]], temperature: float, tokens: int, rounds: int, streams: int
) -> None:
    ratios: list[float] = []
    decoded, seconds, whole = [0, 0], [0.0, 0.0], [0.0, 0.0]
    same = pairs = 0
    drafts_before = drafts(urls[0])
    for turn in range(rounds):
        for first in range(0, len(prompts), streams):
            group = prompts[first : first + streams]
            speeds, texts = [0.0, 0.0], [[""], [""]]
            for i in [0, 1] if (turn + first // streams) % 2 == 0 else [1, 0]:
                answers = together(urls[i], group, temperature, tokens)
                tokens_of_all = sum(max(0, answer.tokens - 1) for answer in answers)
                time_of_all = sum(answer.decoding for answer in answers)
                texts[i] = [answer.text for answer in answers]
                decoded[i] += tokens_of_all
                seconds[i] += time_of_all
                whole[i] += max(answer.seconds for answer in answers)
                speeds[i] = tokens_of_all / time_of_all
            ratios.append(speeds[0] / speeds[1])
            same += sum(a == b for a, b in zip(texts[0], texts[1]))
            pairs += len(group)
    tried, right = (after - before for after, before in zip(drafts(urls[0]), drafts_before))
    rate = [decoded[i] * streams / seconds[i] for i in [0, 1]]
    print(
        f"{name:9} temperature {temperature}  {rate[0]:6.1f} {rate[1]:6.1f} {rate[0] / rate[1]:5.2f}"
        f"  median {statistics.median(ratios):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        f"  whole requests {whole[1] / whole[0]:5.2f}  same texts {same} of {pairs}"
        f"  drafts {tried / decoded[0]:.3f} a token, right {right / decoded[0]:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
