"""How long the first token takes of a conversation that comes back after many others, of this worker or of any server with
OpenAI's /v1/completions, and how long running streams wait meanwhile.

    python src/test/python/returning_conversation.py URL [--tokens 20000] [--others 50] [--streams 0]
    python src/test/python/returning_conversation.py --lengthen MODEL.gguf COPY.gguf 32768 [--layers 3]

The second form writes a copy of a GGUF model whose file says that its context has so many tokens, and with its first layers alone
if that is asked for: a small model for a long conversation. Its text means nothing. It needs gguf.

Start the worker with few slots, and once more with PREFIX_CACHE_BYTES=0 to compare:

    MODEL=COPY.gguf MAX_SLOTS=4 MAX_MODEL_LEN=24576 DETERMINISTIC=true REQUEST_TIMEOUT=1h PORT=8080 ./worker

Prints a JSON object: seconds to the first token at first and of each turn that comes back, their quotients, the cached tokens,
whether the last turn has the text that it had before, and milliseconds between the tokens of the streams.
"""

import argparse
import json
import threading
import time

from mixed_load import Client, keep_reading, prompt, summary

OTHER_WORDS = 200
ANSWER_TOKENS = 16


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


def measure(client: Client, arguments: argparse.Namespace) -> dict:
    gaps, stopped = [], threading.Event()
    for seed in range(arguments.streams):
        threading.Thread(target=keep_reading, args=(client, seed, gaps, stopped), daemon=True).start()
    conversation = prompt(words_for(client, arguments.tokens), time.time_ns())
    at_first = ask(client, conversation)
    turn = conversation + at_first["text"] + "\n" + prompt(10, 2)
    begun = time.perf_counter()
    ask_others(client, arguments.others, 1000)
    before, back_from = time.perf_counter(), len(gaps)
    back = ask(client, turn)
    back_to = len(gaps)
    ask_others(client, arguments.others, 5000)
    again = ask(client, turn)
    stopped.set()
    result = {"tokens": back["tokens"], "first_s": round(at_first["seconds"], 3)}
    for name, one in {"back": back, "again": again}.items():
        result[name + "_s"] = round(one["seconds"], 3)
        result[name + "_times"] = round(at_first["seconds"] / one["seconds"], 1)
        result[name + "_cached"] = one["cached"]
    result["same_text"] = again["text"] == back["text"]
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
    parser.add_argument("--lengthen", nargs=3, metavar=("MODEL", "COPY", "TOKENS"))
    parser.add_argument("--layers", type=int)
    arguments = parser.parse_args()
    if arguments.lengthen:
        source, target, length = arguments.lengthen
        lengthen(source, target, int(length), arguments.layers)
    else:
        print(json.dumps(measure(Client(arguments.url, 7200, True), arguments), indent=2))


if __name__ == "__main__":
    main()
