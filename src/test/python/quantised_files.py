"""Files of each type that `llama-quantize` makes, served by the worker: a table of their sizes, of their KL divergence from the same
model in float32, and of tokens a second beside llama.cpp's.

    python src/test/python/quantised_files.py LLAMA_CPP_BIN VOCABULARY.gguf [FILE…]    # torch, transformers, gguf

LLAMA_CPP_BIN has llama-quantize, llama-imatrix, llama-gguf-split and llama-bench. VOCABULARY.gguf has a byte-level BPE tokenizer, such
as the starter model's. A FILE is a row of the table: a type, or one of the mixtures below. Options:

    --folder FOLDER     keeps the files, and takes those that are there; otherwise they are deleted
    --rounds N          of the measurement of speed, 0 for none (default: 3)
    --minutes N         begins no further file after this time (default: 60)
    WORKER=COMMAND      another command that starts the worker, default ./worker

The model is random, of Granite's kind, so that both the native program and the dense one can run it. Its rows are multiples of 256.
transformers computes what is expected, in float32, from the numbers that the package gguf reads. The worker answers prompts with the
log-probabilities of its 20 likeliest tokens, at each of its tokens. The script fails at the end if

- a file does not hold the type that was asked for,
- the dense program in float32 is off by more than MOST_OFF at any of them,
- the native program is further from the file's numbers than MOST_KL, or
- the parts of a split file give other log-probabilities than the whole file.

The first token of an answer comes from the prompt's kernels, the others from those of a step.

Speeds are tokens of one answer by second of processor time, with one thread for each program, so that they hardly depend on what else
runs. They are the best of the rounds, in which the worker and llama-bench alternate. The time is the difference between a long answer
and a short one: of the worker's busiest thread, which is the engine's, and of the whole of llama-bench.
"""

import argparse
import functools
import http.client
import json
import os
import resource
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter, quants
from mixed_load import Client
from transformers import GraniteConfig, GraniteForCausalLM

LAYERS, HIDDEN, HEADS, KV_HEADS, FEED_FORWARD, VOCABULARY, CONTEXT = 2, 1024, 16, 4, 2048, 2048, 1024
EMBEDDING_SCALE, RESIDUAL_SCALE, LOGIT_SCALE, EPSILON, ROPE_BASE = 32.0, 0.5, 0.5, 1e-5, 10000.0
TYPES = (
    "F16 BF16 Q8_0 Q6_K Q5_K Q5_1 Q5_0 Q4_K Q4_1 Q4_0 IQ4_NL IQ4_XS MXFP4 Q3_K IQ3_S IQ3_XXS Q2_K IQ2_S IQ2_XS IQ2_XXS IQ1_M IQ1_S "
    "TQ2_0 TQ1_0"
).split()
# What `llama-quantize` calls a file of one type alone, if it has no name for the type.
FILES = {"Q2_K": "Q2_K_S", "Q3_K": "Q3_K_S", "Q4_K": "Q4_K_S", "Q5_K": "Q5_K_S", "IQ2_S": "IQ2_M", "MXFP4": "Q8_0"}
# A row of the embedding is looked up, so that llama-imatrix counts nothing there, and these types need a matrix.
NEED_MATRIX = "IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S Q2_K".split()
# Mixtures: those that llama-quantize makes, and one of types of all kinds beside each other.
MIXTURES = {
    "Q3_K_M": [],
    "Q4_K_M": [],
    "IQ4_XS_mixed": [],
    # The first pattern that fits counts.
    "all_kinds": [
        *"blk.0.attn_q=iq4_xs blk.0.attn_k=iq2_xs blk.0.ffn_gate=tq2_0 blk.0.ffn_up=q2_k blk.0.ffn_down=iq1_m".split(),
        *"attn_q=bf16 attn_k=f16 attn_v=f32 attn_output=mxfp4 ffn_gate=iq3_xxs ffn_up=iq2_s ffn_down=q5_k".split(),
    ],
}
SPLIT = "all_kinds"
# Of a log-probability in nats, of the dense program in float32: eight times what was measured.
MOST_OFF = 5e-5
# Four times what activations of 8 bits cost. Without them it is at most 7e-7.
MOST_KL = 1e-4
LIKELIEST, ANSWER = 20, 16
SHORT, LONG = 16, 80
PROMPTS = [
    "The harbour was quiet in the morning, and the river carried a few small boats to the market.",
    "def mean(values):\n    return sum(values) / len(values)\n\nprint(mean([1, 2, 3]))\n",
    "In winter the garden is under snow; nobody sees the silver gate, and no letter comes for weeks.",
    "1. Open the window.\n2. Count the stones.\n3. Write down each number, one a line.\n",
]


def random_tensors() -> dict[str, np.ndarray]:
    random = np.random.default_rng(5)
    matrix = lambda rows, columns: (random.standard_normal((rows, columns)) * columns**-0.5).astype(np.float32)
    norm = lambda: (0.5 + random.random(HIDDEN)).astype(np.float32)
    kv = HIDDEN // HEADS * KV_HEADS
    tensors = {"token_embd.weight": matrix(VOCABULARY, HIDDEN), "output_norm.weight": norm()}
    for i in range(LAYERS):
        shapes = {"attn_q": (HIDDEN, HIDDEN), "attn_k": (kv, HIDDEN), "attn_v": (kv, HIDDEN), "attn_output": (HIDDEN, HIDDEN)}
        shapes |= {"ffn_gate": (FEED_FORWARD, HIDDEN), "ffn_up": (FEED_FORWARD, HIDDEN), "ffn_down": (HIDDEN, FEED_FORWARD)}
        tensors |= {f"blk.{i}.{part}_norm.weight": norm() for part in ("attn", "ffn")}
        tensors |= {f"blk.{i}.{part}.weight": matrix(*shape) for part, shape in shapes.items()}
    return tensors | {"output.weight": matrix(VOCABULARY, HIDDEN)}


def write(path: Path, tensors: dict[str, np.ndarray], vocabulary: Path) -> None:
    """The first tokens of a vocabulary, among them those of all bytes, and the merges that they take."""
    fields = GGUFReader(vocabulary).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()[:VOCABULARY]
    known = set(tokens)
    merges = [m for m in fields["tokenizer.ggml.merges"].contents() if m.replace(" ", "") in known and set(m.split(" ")) <= known]
    out = GGUFWriter(path, "granite")
    for add, value in [
        (out.add_block_count, LAYERS),
        (out.add_embedding_length, HIDDEN),
        (out.add_head_count, HEADS),
        (out.add_head_count_kv, KV_HEADS),
        (out.add_feed_forward_length, FEED_FORWARD),
        (out.add_context_length, CONTEXT),
        (out.add_vocab_size, VOCABULARY),
        (out.add_rope_dimension_count, HIDDEN // HEADS),
        (out.add_rope_freq_base, ROPE_BASE),
        (out.add_layer_norm_rms_eps, EPSILON),
        (out.add_embedding_scale, EMBEDDING_SCALE),
        (out.add_residual_scale, RESIDUAL_SCALE),
        (out.add_logit_scale, LOGIT_SCALE),
        (out.add_attention_scale, (HIDDEN // HEADS) ** -0.5),
        (out.add_tokenizer_model, "gpt2"),
        (out.add_tokenizer_pre, fields["tokenizer.ggml.pre"].contents()),
        (out.add_token_list, tokens),
        (out.add_token_types, fields["tokenizer.ggml.token_type"].contents()[:VOCABULARY]),
        (out.add_token_merges, merges),
        (out.add_eos_token_id, 0),
        (out.add_bos_token_id, 0),
    ]:
        add(value)
    for name, values in tensors.items():
        out.add_tensor(name, values)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def run(*command, within: float = 600) -> str:
    words = [str(part) for part in command]
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=within)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


# --- The files.


def quantise(tools: Path, plain: Path, matrix: Path, target: Path, name: str) -> None:
    words = ["--imatrix", matrix]
    if name in MIXTURES:
        for choice in MIXTURES[name]:
            words += ["--tensor-type", choice]
        kind = name.removesuffix("_mixed") if not MIXTURES[name] else "Q8_0"
    else:
        kind = FILES.get(name, name)
        words.append("--pure")
        words += ["--tensor-type", f"blk={name.lower()}", "--output-tensor-type", name.lower()]
        words += ["--token-embedding-type", "q8_0" if name in NEED_MATRIX else name.lower()]
    part = target.with_suffix(".part")
    run(tools / "llama-quantize", *words, plain, part, kind, os.cpu_count(), within=1200)
    part.rename(target)


def numbers(path: Path) -> dict[str, np.ndarray]:
    found = {}
    for tensor in GGUFReader(path).tensors:
        found[tensor.name] = quants.dequantize(tensor.data, tensor.tensor_type).reshape(tensor.shape.tolist()[::-1])
    return found


def held_types(path: Path) -> dict[str, set[str]]:
    """The types of the matrices of layers and of the output, each with their names."""
    found = {}
    for tensor in GGUFReader(path).tensors:
        if len(tensor.shape) > 1 and tensor.name != "token_embd.weight":
            found.setdefault(GGMLQuantizationType(tensor.tensor_type).name, set()).add(tensor.name)
    return found


def bytes_per_weight(path: Path) -> float:
    matrices = [t for t in GGUFReader(path).tensors if len(t.shape) > 1 and t.name != "token_embd.weight"]
    return sum(t.n_bytes for t in matrices) / sum(int(t.n_elements) for t in matrices)


# --- What is expected.


@functools.cache
def model() -> GraniteForCausalLM:
    config = GraniteConfig(
        vocab_size=VOCABULARY,
        hidden_size=HIDDEN,
        intermediate_size=FEED_FORWARD,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KV_HEADS,
        max_position_embeddings=CONTEXT,
        rms_norm_eps=EPSILON,
        rope_theta=ROPE_BASE,
        embedding_multiplier=EMBEDDING_SCALE,
        residual_multiplier=RESIDUAL_SCALE,
        logits_scaling=LOGIT_SCALE,
        attention_multiplier=(HIDDEN // HEADS) ** -0.5,
        tie_word_embeddings=False,
    )
    return GraniteForCausalLM(config).eval()


PARTS = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
OTHERS = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def hub_name(name: str) -> str:
    words = name.split(".")
    return f"{OTHERS[words[0]]}.weight" if words[0] in OTHERS else f"model.layers.{words[1]}.{PARTS[words[2]]}.weight"


def hub_order(name: str, values: np.ndarray) -> np.ndarray:
    """GGUF has the two numbers that turn together side by side."""
    if ".attn_q." not in name and ".attn_k." not in name:
        return values
    dim = HIDDEN // HEADS
    return values.reshape(-1, dim // 2, 2, HIDDEN).swapaxes(1, 2).reshape(-1, HIDDEN)


def take(tensors: dict[str, np.ndarray]) -> None:
    """The model gets these numbers."""
    state = {hub_name(n): torch.from_numpy(np.array(hub_order(n, v), dtype=np.float32)) for n, v in tensors.items()}
    model().load_state_dict(state)


def log_probabilities(ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return torch.log_softmax(model()(torch.tensor([ids])).logits[0].double(), 1)


def fixed_text() -> list[int]:
    return np.random.default_rng(6).integers(20, VOCABULARY, 256).tolist()


def divergence(true: torch.Tensor, found: torch.Tensor) -> float:
    """The mean KL divergence, in nats."""
    return float((true.exp() * (true - found)).sum(1).mean())


# --- The worker.


class Worker:
    """Serves a file on a free port until it is closed."""

    def __init__(self, file: Path, **settings):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        others = dict(MODEL=file, HOST="127.0.0.1", PORT=self.port, SPECULATION="off", MAX_SLOTS=4, THREADS=1)
        others |= dict(PREFIX_CACHE_BYTES=0, REQUEST_TIMEOUT="20m")
        environment = os.environ | {name: str(value) for name, value in (others | settings).items()}
        self.log = tempfile.TemporaryFile("w+")
        command = shlex.split(os.environ.get("WORKER", "./worker"))
        streams = dict(stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.process = subprocess.Popen(command, env=environment, **streams)
        until = time.monotonic() + 300
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                self.log.seek(0)
                text = self.log.read()
                self.close()
                raise RuntimeError(f"the worker does not serve {file.name}:\n{text[-3000:]}")
            time.sleep(0.2)

    def is_ready(self) -> bool:
        try:
            return self.call("GET", "/ping")[0] == 200
        except OSError:
            return False

    def call(self, method: str, path: str, body: dict | None = None) -> tuple[int, dict]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1200)
        connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, json.loads(text) if text else {}

    def post(self, path: str, body: dict) -> dict:
        status, found = self.call("POST", path, body)
        if status != 200:
            raise RuntimeError(f"{path}: {status}: {found}")
        return found

    def answer(self, prompt: str) -> tuple[list[int], list[dict]]:
        """The prompt's ids, and of each token of the answer those that were likeliest."""
        messages = [{"role": "user", "content": prompt}]
        ids = self.post("/tokenize", {"messages": messages})["tokens"]
        body = {"messages": messages, "max_tokens": ANSWER, "temperature": 0, "ignore_eos": True}
        choice = self.post("/v1/chat/completions", body | {"logprobs": True, "top_logprobs": LIKELIEST})["choices"][0]
        return ids, choice["logprobs"]["content"]

    def processor_seconds(self) -> dict[str, float]:
        """Of each thread."""
        found = {}
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                # Nanoseconds.
                found[thread.name] = int((thread / "schedstat").read_text().split()[0]) / 1e9
            except FileNotFoundError:
                pass
        return found

    def decoding_seconds(self, tokens: int) -> float:
        """The processor time of the busiest thread for a whole answer, whose prompt is cached after the first one."""
        before = self.processor_seconds()
        for _ in Client(f"http://127.0.0.1:{self.port}").stream(PROMPTS[0], tokens):
            pass
        after = self.processor_seconds()
        return max(after[name] - seconds for name, seconds in before.items() if name in after)

    def speed(self) -> float:
        """Tokens of one answer by second."""
        self.decoding_seconds(SHORT)
        return (LONG - SHORT) / (self.decoding_seconds(LONG) - self.decoding_seconds(SHORT))

    def close(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def ids_by_bytes(vocabulary: Path) -> dict[bytes, int]:
    """GPT-2 writes a byte that is no printable letter of Latin-1 as another letter."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(b for b in range(256) if b not in plain)}
    tokens = GGUFReader(vocabulary).fields["tokenizer.ggml.tokens"].contents()[:VOCABULARY]
    control = [token.startswith("<") and token.endswith(">") and len(token) > 2 for token in tokens]
    return {t.encode() if c else bytes(letters[x] for x in t): i for i, (t, c) in enumerate(zip(tokens, control))}


def compare(worker: Worker, ids_of: dict[bytes, int]) -> tuple[float, float, list]:
    """The mean KL divergence of the worker from the model's numbers, over the likeliest tokens and all others taken together; the most
    that a log-probability is off; and the log-probabilities themselves."""
    losses, most, all_found = [], 0.0, []
    for prompt in PROMPTS:
        ids, content = worker.answer(prompt)
        answer = [ids_of[bytes(token["bytes"])] for token in content]
        expected = log_probabilities(ids + answer[:-1])[len(ids) - 1 :]
        for true, token in zip(expected, content, strict=True):
            places = [ids_of[bytes(likely["bytes"])] for likely in token["top_logprobs"]]
            found = torch.tensor([likely["logprob"] for likely in token["top_logprobs"]], dtype=torch.float64)
            own = true[places]
            most = max(most, float((found - own).abs().max()))
            rest, true_rest = (float((1 - part.exp().sum()).clamp(min=1e-12)) for part in (found, own))
            losses.append(float((own.exp() * (own - found)).sum()) + true_rest * float(np.log(true_rest / rest)))
            all_found.append((places, found.tolist()))
    return sum(losses) / len(losses), most, all_found


def peer_speed(tools: Path, file: Path) -> float:
    seconds = []
    for tokens in (SHORT, LONG):
        words = ["-m", file, "-p", 0, "-n", tokens, "-r", 1, "-t", 1, "-fa", "on", "--no-warmup"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(tools / "llama-bench", *words)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return (LONG - SHORT) / (seconds[1] - seconds[0])


# --- The table.


def measure(name: str, file: Path, true: torch.Tensor, ids_of: dict[bytes, int], options: argparse.Namespace) -> list[str]:
    """Prints a row. Returns what is wrong."""
    problems = []
    held = held_types(file)
    wanted = {choice.split("=")[1].upper() for choice in MIXTURES.get(name, [])} or ({name} if name in TYPES else set())
    if not wanted <= set(held) or name in TYPES and set(held) != wanted:
        problems.append(f"{name}: the file holds {sorted(held)}")
    take(numbers(file))
    loss = divergence(true, log_probabilities(fixed_text()))
    with Worker(file, KERNELS="native") as worker:
        native, native_off, whole = compare(worker, ids_of)
        own, peer = [], []
        for _ in range(options.rounds):
            own.append(worker.speed())
            peer.append(peer_speed(options.tools, file))
    with Worker(file, KERNELS="torch", DTYPE="fp32", KV_CACHE_DTYPE="fp32") as worker:
        dense, dense_off, _ = compare(worker, ids_of)
    if dense_off > MOST_OFF:
        problems.append(f"{name}: the dense program is off by {dense_off:.1e}")
    if native > MOST_KL:
        problems.append(f"{name}: the native program is off by {native:.1e} nats, and may be by {MOST_KL:.0e}")
    speeds = f"{max(own):.0f} | {max(peer):.0f} | {max(own) / max(peer):.2f}" if own else "| |"
    row = f"{bytes_per_weight(file):.2f} | {loss:.1e} | {native:.1e} | {native_off:.1e} | {dense_off:.1e}"
    print(f"| {name} | {row} | {speeds} |", flush=True)
    if name == SPLIT:
        problems += measure_split(file, whole, ids_of, options)
    return problems


def measure_split(file: Path, whole: list, ids_of: dict[bytes, int], options: argparse.Namespace) -> list[str]:
    folder = file.parent / "split"
    folder.mkdir(exist_ok=True)
    for part in folder.iterdir():
        part.unlink()
    run(options.tools / "llama-gguf-split", "--split", "--split-max-tensors", 5, file, folder / "model")
    parts = sorted(folder.iterdir())
    problems = []
    for place in (parts[0], folder):
        with Worker(place, KERNELS="native") as worker:
            _, _, found = compare(worker, ids_of)
        if found != whole:
            problems.append(f"{file.name}: its {len(parts)} parts by {place.name} give other log-probabilities")
    print(f"split by llama-gguf-split into {len(parts)} parts: {'the same' if not problems else 'other'} log-probabilities", flush=True)
    return problems


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tools", type=lambda path: Path(path).resolve())
    parser.add_argument("vocabulary", type=lambda path: Path(path).resolve())
    parser.add_argument("files", nargs="*", metavar="FILE")
    parser.add_argument("--folder", type=lambda path: Path(path).resolve())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    until = time.monotonic() + 60 * options.minutes
    rows = options.files or TYPES + list(MIXTURES)
    problems, left = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        folder.mkdir(exist_ok=True)
        plain, matrix, text = folder / "f32.gguf", folder / "imatrix.gguf", folder / "text"
        tensors = random_tensors()
        if not matrix.exists():
            write(plain, tensors, options.vocabulary)
            text.write_text(Path(__file__).read_text() * 2)
            words = ["-c", 128, "--chunks", 8, "--process-output", "-t", os.cpu_count()]
            run(options.tools / "llama-imatrix", "-m", plain, "-f", text, "-o", matrix, *words)
        ids_of = ids_by_bytes(options.vocabulary)
        take(tensors)
        true = log_probabilities(fixed_text())
        print("| type | bytes a weight | KL | native: KL to the file | native: most off | dense: most off | tokens/s | llama.cpp | ratio |")
        print("|---|---|---|---|---|---|---|---|---|")
        for row in rows:
            if time.monotonic() > until:
                left.append(row)
                continue
            file = folder / f"{row}.gguf"
            try:
                if not file.exists():
                    quantise(options.tools, plain, matrix, file, row)
                problems += measure(row, file, true, ids_of, options)
            except RuntimeError as e:
                problems.append(f"{row}: {e}")
            if not options.folder:
                file.unlink(missing_ok=True)
    if left:
        print("no time was left for", *left)
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
