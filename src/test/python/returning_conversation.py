"""How long the first token takes of a conversation that comes back after many others, of this worker or of any server with
OpenAI's /v1/completions, and how long running streams wait meanwhile.

    python src/test/python/returning_conversation.py URL [--tokens 20000] [--others 50] [--streams 0] [--keys A B] [--pid PID]
    python src/test/python/returning_conversation.py --lengthen MODEL.gguf COPY.gguf 32768 [--layers 3]

The second form writes a copy of a GGUF model whose file says that its context has so many tokens, and with its first layers alone
if that is asked for: a small model for a long conversation. Its text means nothing. It needs gguf.

Start the worker with few slots, and once more with PREFIX_CACHE_BYTES=0 to compare:

    MODEL=COPY.gguf MAX_SLOTS=4 MAX_MODEL_LEN=24576 DETERMINISTIC=true REQUEST_TIMEOUT=1h PORT=8080 ./worker

Three things come back, each after the others: the next turn, the same turn again, and the first prompt as it was. The first prompt's
text must be the one that it had at first, when nothing was cached.

With two API keys the turn is asked for once more with the second one. Nothing of another key's is cached for it, so this is the same
request without the cache: its seconds and its text are compared with those of the first return. Start the worker with API_KEYS=A,B.

Prints a JSON object: seconds to the first token at first and of what comes back, their quotients, the cached tokens, whether texts are
the same, and milliseconds between the tokens of the streams. Of a worker also the bytes
of evicted prefixes, and their bound; with --pid the resident memory in MB.
"""

import argparse
import http.client
import json
import sys
import threading
import time
from pathlib import Path

from mixed_load import Client, keep_reading, prompt, summary

OTHER_WORDS = 200
ANSWER_TOKENS = 16
TIMEOUT = 7200


def lengthen(source: str, target: str, length: int, layers: int | None) -> None:
    import gguf

    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    changed = {f"{architecture}.context_length": length}
    if layers:
        changed[f"{architecture}.block_count"] = layers
    writer = gguf.GGUFWriter(target, architecture)
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            kind = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(name, changed.get(name, field.contents()), field.types[0], kind)
    kept = [t for t in reader.tensors if not (layers and t.name.startswith("blk.") and int(t.name.split(".")[1]) >= layers)]
    for tensor in kept:
        writer.add_tensor_info(tensor.name, tensor.data.shape, tensor.data.dtype, tensor.data.nbytes, tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in kept:
        writer.write_tensor_data(tensor.data)
    writer.close()


def ask(client: Client, text: str, tokens: int = ANSWER_TOKENS) -> dict:
    begun = time.perf_counter()
    first, answer, usage = None, "", {}
    for now, chunk in client.stream(text, tokens):
        if chunk["choices"]:
            first = first or now
            answer += chunk["choices"][0]["text"]
        usage = chunk.get("usage") or usage
    details = usage.get("prompt_tokens_details") or {}
    found = {"seconds": first - begun, "text": answer, "tokens": usage.get("prompt_tokens")}
    return found | {"cached": details.get("cached_tokens")}


def ask_others(client: Client, count: int, seed: int) -> None:
    for i in range(count):
        ask(client, prompt(OTHER_WORDS, seed + i))


def words_for(client: Client, tokens: int) -> int:
    """About so many words are so many tokens."""
    few = 200
    return int(tokens * few / ask(client, prompt(few, 1), 1)["tokens"])


def memory(client: Client, pid: int | None) -> dict:
    """What the copies take now. Empty for other servers."""
    connection = http.client.HTTPConnection(client.address.hostname, client.address.port, timeout=60)
    connection.request("GET", "/metrics", headers=client.headers)
    page = connection.getresponse().read().decode()
    connection.close()
    found = {}
    for line in page.splitlines():
        name, _, value = line.partition(" ")
        if name.startswith("llmworker_prefix_cache_"):
            found[name.removeprefix("llmworker_prefix_cache_")] = int(float(value))
    if pid:
        status = Path(f"/proc/{pid}/status").read_text()
        found["resident_mb"] = int(status.split("VmRSS:")[1].split()[0]) // 1024
    return found


def without_cache(client: Client, turn: str, back: dict) -> dict:
    """The same request of a key for which nothing is cached."""
    cold = ask(client, turn)
    return {
        "without_cache_s": round(cold["seconds"], 3),
        "without_cache_cached": cold["cached"],
        "times": round(cold["seconds"] / back["seconds"], 1),
        "same_text_without_cache": cold["text"] == back["text"],
        "text": cold["text"],
    }


def progress(*what) -> None:
    print(*what, file=sys.stderr, flush=True)


def measure(client: Client, arguments: argparse.Namespace) -> dict:
    gaps, stopped = [], threading.Event()
    for seed in range(arguments.streams):
        threading.Thread(target=keep_reading, args=(client, seed, gaps, stopped), daemon=True).start()
    conversation = prompt(words_for(client, arguments.tokens), time.time_ns())
    at_first = ask(client, conversation)
    progress("at first", at_first, memory(client, arguments.pid))
    turn = conversation + at_first["text"] + "\n" + prompt(10, 2)
    begun = time.perf_counter()
    ask_others(client, arguments.others, 1000)
    progress("after others", memory(client, arguments.pid))
    before, back_from = time.perf_counter(), len(gaps)
    back = ask(client, turn)
    back_to = len(gaps)
    progress("back", back, memory(client, arguments.pid))
    ask_others(client, arguments.others, 5000)
    again = ask(client, turn)
    ask_others(client, arguments.others, 9000)
    repeated = ask(client, conversation)
    stopped.set()
    progress("again", again, memory(client, arguments.pid))
    progress("repeated", repeated, memory(client, arguments.pid))
    result = {"tokens": back["tokens"], "first_s": round(at_first["seconds"], 3)}
    for name, one in {"back": back, "again": again, "repeated": repeated}.items():
        result[name + "_s"] = round(one["seconds"], 3)
        result[name + "_times"] = round(at_first["seconds"] / one["seconds"], 1)
        result[name + "_cached"] = one["cached"]
    result["same_text"] = again["text"] == back["text"]
    result["same_text_as_without_cache"] = repeated["text"] == at_first["text"]
    if arguments.keys:
        result |= without_cache(Client(arguments.url, TIMEOUT, True, arguments.keys[1]), turn, back)
        result |= memory(client, arguments.pid)
    if arguments.streams > 0:
        result["streams_beside_others"] = summary([gap for when, gap in gaps if begun < when < before])
        result["streams_beside_back"] = summary([gap for _, gap in gaps[back_from:back_to]])
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?")
    parser.add_argument("--tokens", type=int, default=20000)
    parser.add_argument("--others", type=int, default=50)
    parser.add_argument("--streams", type=int, default=0)
    parser.add_argument("--keys", nargs=2, metavar=("A", "B"))
    parser.add_argument("--pid", type=int, help="of the worker")
    parser.add_argument("--lengthen", nargs=3, metavar=("MODEL", "COPY", "TOKENS"))
    parser.add_argument("--layers", type=int)
    arguments = parser.parse_args()
    if arguments.lengthen:
        source, target, length = arguments.lengthen
        lengthen(source, target, int(length), arguments.layers)
    else:
        client = Client(arguments.url, TIMEOUT, True, arguments.keys[0] if arguments.keys else None)
        print(json.dumps(measure(client, arguments), indent=2))


if __name__ == "__main__":
    main()
