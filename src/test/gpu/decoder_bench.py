"""The program for GPUs (`dense.pt`) under the PyTorch that is installed, with random weights in the shapes of known models, beside
transformers and vLLM. One part and one shape a run, each in minutes; `run.sh` has them all.

    python src/test/gpu/decoder_bench.py PART --shape 1b --out results.jsonl [--device cuda:0] [--dtype bf16]

logits        against the same weights in float32 on the CPU: KL, likeliest tokens, greedy ids
decode        tokens a second at 1, 8, 32, 128 streams and contexts of 128 and 2,048, and the share of the bandwidth bound
graphs        the same step of at least two rows in a CUDA graph, captured from Python: what graphs would give; on a CPU
              without a graph. The step of one row has a faster attention, which a graph cannot hold
prefill       prompts of 512 and 4,096 tokens, by chunks of 128, of 512 (the worker's beside a step) and of 2,048 (alone)
profile       kernels of a step by name: how many, how long, which part are products; waits and copies
transformers  its generate at 1, 8, 32, 128 streams; with `--static` a static cache and its compiled loop
vllm          the same, if it is installed

Appends a line of JSON for each figure. On a CPU everything but `vllm` runs too, to see that it does.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))
from programs import PROGRAMS, configure, layer, put_embedding, put_head, put_matrix, put_output_norm, put_vector, rope

PROGRAM = PROGRAMS / "dense.pt"
#        layers, hidden, heads, kv heads, head dim, feed-forward, vocabulary
SHAPES = {
    "tiny": (2, 128, 4, 2, 32, 256, 512),
    "135m": (30, 576, 9, 3, 64, 1536, 49152),
    "1b": (16, 2048, 32, 8, 64, 8192, 128256),
    "8b": (32, 4096, 32, 8, 128, 14336, 128256),
}
EPSILON, BASE = 1e-5, 500000.0
STREAMS, CONTEXTS = (1, 8, 32, 128), (128, 2048)
WORKSPACE_BYTES = 3 << 30


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.device = torch.device(arguments.device)
        self.gpu = self.device.type == "cuda"
        self.shape = SHAPES[arguments.shape]
        self.seconds = arguments.seconds
        self.machine = torch.cuda.get_device_name(self.device) if self.gpu else "cpu"
        self.streams = [n for n in STREAMS if n <= arguments.streams]

    def record(self, part, **figures):
        line = dict(part=part, shape=self.arguments.shape, dtype=self.arguments.dtype, device=self.machine)
        line |= dict(torch=torch.__version__) | figures
        with open(self.arguments.out, "a") as out:
            out.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)

    def wait(self):
        if self.gpu:
            torch.cuda.synchronize(self.device)

    def median(self, call):
        """Seconds of a call; the first ones are not counted."""
        for _ in range(3):
            call()
        times, end = [], time.perf_counter() + self.seconds
        while len(times) < 5 or time.perf_counter() < end:
            self.wait()
            start = time.perf_counter()
            call()
            self.wait()
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    def matrices(self):
        """Random weights in the order of the program, as bfloat16 on the device: (layer, role, tensor)."""
        layers, hidden, heads, groups, dim, feed_forward, vocabulary = self.shape
        random = torch.Generator(self.device).manual_seed(7)

        def matrix(rows, columns):
            w = torch.randn([rows, columns], generator=random, device=self.device, dtype=torch.float32)
            return (w * columns**-0.5).to(torch.bfloat16)

        norm = lambda: torch.rand([hidden], generator=random, device=self.device) + 0.5
        yield 0, "embedding", matrix(vocabulary, hidden)
        for i in range(layers):
            yield i, "attention_norm", norm()
            yield i, "feed_forward_norm", norm()
            yield i, "qkv", matrix((heads + 2 * groups) * dim, hidden)
            yield i, "attention_output", matrix(hidden, heads * dim)
            yield i, "gate_up", matrix(2 * feed_forward, hidden)
            yield i, "down", matrix(hidden, feed_forward)
        yield 0, "output_norm", norm()
        yield 0, "head", matrix(vocabulary, hidden)

    def slots(self, length):
        """As many as the device's free memory has room for, beside the weights."""
        layers, hidden, heads, groups, dim, feed_forward, vocabulary = self.shape
        if not self.gpu:
            return max(self.streams)
        free = torch.cuda.mem_get_info(self.device)[0]
        a_layer = hidden * ((heads + 2 * groups) * dim + heads * dim + 3 * feed_forward)
        weights = 2 * (layers * a_layer + 2 * vocabulary * hidden)
        return min(max(self.streams), int((free - weights - WORKSPACE_BYTES) // (4 * layers * groups * dim * length)))

    def load(self, slots, length, reference=False):
        """The program with the weights, and where wanted another one in float32 on the CPU."""
        layers, hidden, heads, groups, dim, feed_forward, vocabulary = self.shape
        kinds = [(self.arguments.dtype, self.device, slots)]
        if reference:
            kinds.append(("fp32", torch.device("cpu"), 1))
        programs = []
        for dtype, device, some in kinds:
            program = torch.jit.load(PROGRAM, map_location=device)
            described, ropes = [layer(heads, groups, dim, feed_forward)] * layers, [(rope(BASE, dim), 1.0)]
            types = dict(compute=dtype, cache=dtype, device=str(device))
            configure(program, hidden, vocabulary, some, length, described, ropes, epsilon=EPSILON, **types)
            programs.append(program)
        of_model = dict(embedding=put_embedding, output_norm=put_output_norm, head=put_head)
        for i, role, w in self.matrices():
            for program, (_, device, _) in zip(programs, kinds):
                if role in of_model:
                    of_model[role](program, w.to(device))
                else:
                    put = put_vector if role.endswith("norm") else put_matrix
                    put(program, i, role, w.to(device))
        for program, (_, device, _) in zip(programs, kinds):
            if device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8:
                self.record("flash kernel", runs=program.try_flash())
            program.build()
            assert program.placement() == str(device), program.placement()
        return programs

    def numbers(self, rows, position):
        vocabulary = self.shape[6]
        integers = [(31 * row + 7) % vocabulary for row in range(rows)] + [position] * rows + [0] * rows
        return integers, [0.0] * rows + [1.0] * rows + [0.0] * rows + [0.5] * rows

    def copy_bytes_per_second(self):
        size = (1 << 28) if self.gpu else (1 << 26)
        a = torch.ones([size], device=self.device)
        b = torch.empty_like(a)
        return 2 * 4 * size / self.median(lambda: b.copy_(a))

    def bound(self, program, rows, position, bytes_per_second):
        layers, _, _, groups, dim, _, _ = self.shape
        width = 4 if self.arguments.dtype == "fp32" else 2
        cache = 2 * width * layers * groups * dim * rows * (position + 1)
        return rows * bytes_per_second / (program.step_bytes() + cache)

    # Parts.

    def logits(self):
        program, exact = self.load(4, 512, reference=True)
        prompts = [torch.randint(0, self.shape[6], [n], generator=torch.Generator().manual_seed(n)).tolist() for n in (5, 40, 200, 1)]
        divergences, same, greedy_same, steps = [], [], [], 16
        for slot, ids in enumerate(prompts):
            # As the worker does: parts of 128.
            for start in range(0, len(ids), 128):
                own = program.prefill_logits(ids[start : start + 128], slot, start, False)
            expected = exact.prefill_logits(ids, 0, 0, False)
            sequence = list(ids)
            for _ in range(steps):
                a, b = expected[0].log_softmax(0), own[0].log_softmax(0)
                divergences.append(float((a.exp() * (a - b)).sum()))
                same.append(int(a.argmax()) == int(b.argmax()))
                sequence.append(int(a.argmax()))
                at = len(sequence) - 1
                expected = exact.decode_logits(sequence[-1:], [at])
                # With the rows before it, so that a step of several rows is looked at too.
                others = [0] * slot
                own = program.decode_logits(others + sequence[-1:], others + [at])[slot:]
            greedy_same.append(self.greedy(program, ids, steps) == sequence[len(ids) :])
        kl = statistics.mean(divergences)
        finite = all(d == d for d in divergences)
        self.record("logits", positions=len(same), mean_kl=kl, max_kl=max(divergences), same=statistics.mean(same))
        self.record("greedy", prompts=len(prompts), same_ids=sum(greedy_same), tokens_each=steps)
        limit = 1e-6 if self.arguments.dtype == "fp32" else 1e-2
        if not finite or not kl <= limit:
            sys.exit(f"logits are wrong: mean KL {kl}, limit {limit}")

    def greedy(self, program, ids, steps):
        found = [program.prefill_last(ids, 0, 0, 0, [0.0, 1.0, 0.0, 0.5], False, False)]
        while len(found) < steps:
            found += program.decode([found[-1], len(ids) + len(found) - 1, 0], [0.0, 1.0, 0.0, 0.5], 1, False, False)
        return found

    def decode(self):
        length = max(CONTEXTS) + 64
        slots = self.slots(length)
        (program,) = self.load(slots, length)
        bytes_per_second = self.copy_bytes_per_second()
        self.record("copy", gigabytes_per_second=bytes_per_second / 1e9)
        for context in CONTEXTS:
            for rows in self.streams:
                if rows > slots:
                    self.record("decode", streams=rows, context=context, left_out=f"memory has room for {slots} slots")
                    continue
                for name, sampled, filtered in (("greedy", False, False), ("top_p", True, True)):
                    integers, floats = self.numbers(rows, context)
                    if sampled:
                        floats = [1.0] * rows + [0.9] * rows + floats[2 * rows :]
                    seconds = self.median(lambda: program.decode(integers, floats, 1, sampled, filtered))
                    bound = self.bound(program, rows, context, bytes_per_second)
                    figures = dict(tokens_per_second=rows / seconds, milliseconds=seconds * 1e3, bandwidth_share=rows / seconds / bound)
                    self.record("decode", streams=rows, context=context, sampler=name, **figures)

    def captured(self, call):
        """A function that runs the kernels of a call again, and the tensor that they write; on a CPU there is no graph."""
        result = call()
        if not self.gpu:
            return lambda: result.copy_(call()), result
        side = torch.cuda.Stream(self.device)
        side.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(side):
            for _ in range(3):
                call()
        torch.cuda.current_stream(self.device).wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = call()
        return graph.replay, result

    def graphs(self):
        length = max(CONTEXTS) + 64
        slots = self.slots(length)
        (program,) = self.load(slots, length)
        bytes_per_second = self.copy_bytes_per_second()
        for context in CONTEXTS:
            for rows in (n for n in self.streams if 1 < n <= slots):
                integers, floats = self.numbers(rows, context)
                host = torch.tensor(integers + floats, dtype=torch.float64)
                host = host.pin_memory() if self.gpu else host
                numbers = host.to(self.device)
                reach = (context + 64) // 64 * 64
                program.prepare_captured(rows, reach)
                replay, tokens = self.captured(lambda: program.captured_step(numbers, reach, False))

                def step():
                    numbers.copy_(host, non_blocking=True)
                    replay()
                    return tokens.tolist()

                captured, seconds = step(), self.median(step)
                # From here on the program has other pieces than the graph.
                same = captured == program.decode(integers, floats, 1, False, False)
                eager = self.median(lambda: program.decode(integers, floats, 1, False, False))
                figures = dict(tokens_per_second=rows / seconds, milliseconds=seconds * 1e3, eager_milliseconds=eager * 1e3)
                figures |= dict(bandwidth_share=rows / seconds / self.bound(program, rows, context, bytes_per_second))
                self.record("graphs", streams=rows, context=context, same_tokens=same, captured=self.gpu, **figures)

    def prefill(self):
        length = 4096 if self.arguments.shape != "tiny" else 1024
        (program,) = self.load(2, length)
        for tokens in (n for n in (512, 4096) if n <= length):
            for chunk in (n for n in (128, 512, 2048) if n <= tokens):
                ids = [1] * chunk

                def prompt():
                    for start in range(0, tokens - chunk, chunk):
                        program.prefill(ids, 0, start)
                    program.prefill_last(ids, 0, tokens - chunk, 0, [0.0, 1.0, 0.0, 0.5], False, False)

                self.record("prefill", tokens=tokens, chunk=chunk, tokens_per_second=tokens / self.median(prompt))

    def profile(self):
        (program,) = self.load(min(32, max(self.streams)), 2112)
        for rows in (n for n in (1, 32) if n <= max(self.streams)):
            integers, floats = self.numbers(rows, 128)
            for _ in range(5):
                program.decode(integers, floats, 1, False, False)
            activities = [torch.profiler.ProfilerActivity.CPU]
            if self.gpu:
                activities.append(torch.profiler.ProfilerActivity.CUDA)
            steps = 10
            with torch.profiler.profile(activities=activities) as found:
                for _ in range(steps):
                    program.decode(integers, floats, 1, False, False)
            side = torch.autograd.DeviceType.CUDA if self.gpu else torch.autograd.DeviceType.CPU
            kernels = {}
            for event in found.events():
                if event.device_type == side and (self.gpu or event.name.startswith("aten::")):
                    taken = event.device_time if self.gpu else event.self_cpu_time_total
                    count, micros = kernels.get(event.name, (0, 0.0))
                    kernels[event.name] = count + 1, micros + taken
            products = ("gemm", "gemv", "cutlass", "xmma", "nvjet", "splitK", "mm", "aten::linear")
            total = sum(micros for _, micros in kernels.values())
            multiplied = sum(t for name, (_, t) in kernels.items() if any(p in name for p in products))
            waits = sum(1 for e in found.events() if "Synchronize" in e.name) / steps
            figures = dict(launches=sum(n for n, _ in kernels.values()) / steps, microseconds=total / steps)
            self.record("profile", streams=rows, waits=waits, products_share=multiplied / max(total, 1e-9), **figures)
            for name, (count, micros) in sorted(kernels.items(), key=lambda k: -k[1][1])[:15]:
                self.record("kernel", streams=rows, name=name[:100], launches=count / steps, microseconds=micros / steps)

    def config(self):
        from transformers import LlamaConfig

        layers, hidden, heads, groups, dim, feed_forward, vocabulary = self.shape
        return LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            intermediate_size=feed_forward,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=groups,
            head_dim=dim,
            max_position_embeddings=4608,
            rms_norm_eps=EPSILON,
            rope_theta=BASE,
            tie_word_embeddings=False,
            bos_token_id=0,
            eos_token_id=None,
            pad_token_id=0,
        )

    def transformers(self):
        import transformers

        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[self.arguments.dtype]
        with torch.device(self.device):
            model = transformers.LlamaForCausalLM(self.config()).to(dtype).eval()
        options = dict(do_sample=False, pad_token_id=0)
        if self.arguments.static:
            options["cache_implementation"] = "static"
        name = "transformers, static cache" if self.arguments.static else "transformers"
        for context in CONTEXTS[: 1 if not self.gpu else 2]:
            for rows in self.streams:
                ids = torch.randint(1, self.shape[6], [rows, context], device=self.device)
                steps = 64 if self.gpu else 4

                def generate(tokens):
                    start = time.perf_counter()
                    model.generate(ids, attention_mask=torch.ones_like(ids), min_new_tokens=tokens, max_new_tokens=tokens, **options)
                    self.wait()
                    return time.perf_counter() - start

                try:
                    with torch.inference_mode():
                        # The first ones compile.
                        for _ in range(2):
                            generate(steps + 1)
                            generate(1)
                        # The prompt apart.
                        seconds = statistics.median(generate(steps + 1) - generate(1) for _ in range(3))
                    self.record(name, streams=rows, context=context, tokens_per_second=rows * steps / seconds)
                except torch.OutOfMemoryError:
                    self.record(name, streams=rows, context=context, left_out="out of memory")
                    torch.cuda.empty_cache()

    def vllm(self):
        try:
            from vllm import LLM, SamplingParams
        except ImportError as missing:
            return self.record("vllm", left_out=str(missing))
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            config = self.config()
            config.architectures = ["LlamaForCausalLM"]
            config.save_pretrained(folder)
            dtype = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}[self.arguments.dtype]
            options = dict(load_format="dummy", skip_tokenizer_init=True, max_model_len=2304, enable_prefix_caching=False)
            engine = LLM(folder, dtype=dtype, max_num_seqs=128, **options)
            for context in CONTEXTS:
                for rows in self.streams:
                    prompts = [{"prompt_token_ids": [(31 * row + i) % 1000 + 1 for i in range(context)]} for row in range(rows)]

                    def generate(tokens):
                        sampling = SamplingParams(temperature=0, max_tokens=tokens, ignore_eos=True, detokenize=False)
                        start = time.perf_counter()
                        engine.generate(prompts, sampling, use_tqdm=False)
                        return time.perf_counter() - start

                    generate(8)
                    seconds = statistics.median(generate(129) - generate(1) for _ in range(3))
                    self.record("vllm", streams=rows, context=context, tokens_per_second=rows * 128 / seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices="logits decode graphs prefill profile transformers vllm".split())
    parser.add_argument("--shape", choices=SHAPES, default="1b")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--dtype", choices=["bf16", "fp16", "fp32"], default="bf16")
    parser.add_argument("--streams", type=int, default=128, help="at most")
    parser.add_argument("--seconds", type=float, default=2, help="of each measurement")
    parser.add_argument("--static", action="store_true", help="transformers with a static cache")
    parser.add_argument("--out", required=True, help="a file that lines of JSON are added to")
    arguments = parser.parse_args()
    if arguments.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("torch " + torch.__version__ + " sees no GPU; --device cpu runs what can run without")
    with torch.inference_mode(), torch.jit.optimized_execution(False):
        getattr(Bench(arguments), arguments.part)()


if __name__ == "__main__":
    main()
