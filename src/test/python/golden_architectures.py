"""Writes src/test/resources/golden/architectures.json, safetensors.json and vectors.json: what transformers makes of tiny
models of each architecture in float32, and what llama.cpp's converter makes of their files.

    python src/test/python/golden_architectures.py LLAMA_CPP [NAME…]    # torch, transformers 5, gguf; llama.cpp's source

A case has the metadata of a GGUF file or the `config.json` of a folder, its tensors, the ids of a prompt, the logits
after it and the greedy continuation; or those of some texts, and their vectors. With names, only the cases whose names begin
with one of them are run, and nothing is written.

The weights are not written down: `value` says what they are, here and in GoldenWeights. The metadata and the tensors'
names and shapes of a GGUF file are those that the converter writes. `Converter` finds out where the converter puts each
number, so that a case can choose the numbers of the GGUF file and give transformers the same ones.
"""

import json
import math
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

OUT = Path(__file__).resolve().parents[1] / "resources/golden"
VOCABULARY = 96
PROMPT_TOKENS, NEW_TOKENS = 40, 24
SIZES = dict(
    hidden_size=64,
    intermediate_size=128,
    num_attention_heads=4,
    num_key_value_heads=2,
    num_hidden_layers=2,
    vocab_size=VOCABULARY,
    max_position_embeddings=128,
    pad_token_id=0,
    tie_word_embeddings=False,
)
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def fnv1a(text: str) -> int:
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001B3 % 2**64
    return h


def value(name: str, count: int, base: float, scale: float) -> np.ndarray:
    """The elements of a tensor: `base` and up to `scale`, a power of two, by SplitMix64; exact in float32."""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (base + ((z >> np.uint64(48)).astype(np.float64) / 2**15 - 1) * scale).astype(np.float32)


def spread(name: str, norm_base: float) -> tuple[float, float]:
    """The base and the scale of a tensor's elements, by its name in GGUF or in transformers."""
    if name.endswith("linear_attn.norm.weight"):
        return 1, 0.5
    if "norm" in name:
        return norm_base, 0.5
    if "scale" in name or "scalar" in name:
        return 1, 0.5
    if name.endswith("ssm_a"):
        return -1, 0.5
    if "conv1d" in name or name.endswith("A_log"):
        return 0, 0.5
    if name.endswith("bias") or "sinks" in name:
        return 0, 0.5
    if "embd" in name or "embed" in name:
        return 0, 1
    return 0, 0.125 if "down" in name or ".w2." in name else 0.25


def packed(name: str, shape: list[int]) -> tuple[torch.Tensor, dict[str, list]]:
    """Random blocks and scales of experts [E, columns, rows], what they are as numbers, and how they are described: a byte
    is the whole part of a value."""
    experts, columns, rows = shape
    described = {
        name + "_blocks": [128, 128, experts, rows, columns // 32, 16],
        name + "_scales": [124, 2, experts, rows, columns // 32],
    }
    halves = []
    for half, (base, scale, *sizes) in described.items():
        halves.append(torch.from_numpy(value(half, math.prod(sizes), base, scale).astype(np.uint8)).view(sizes))
    return convert_moe_packed_tensors(*halves, dtype=torch.float32).contiguous(), described


def numbered(shapes: dict[str, list[int]], step=1) -> tuple[dict[str, torch.Tensor], int]:
    """Tensors whose numbers are their own places times `step`, and the first place behind them."""
    places, at = {}, 1
    for name, shape in shapes.items():
        count = math.prod(shape)
        places[name] = torch.arange(at, at + count, dtype=torch.float32).view(shape) * step
        at += count
    assert at * step < 2**24, "float32 cannot count so far"
    return places, at


class Converter:
    """llama.cpp's `convert_hf_to_gguf.py`, for models without a tokenizer."""

    def __init__(self, llama_cpp: Path):
        sys.path[:0] = [str(llama_cpp), str(llama_cpp / "gguf-py")]
        import conversion
        import gguf
        from conversion.base import ModelBase

        self.gguf, self.class_of, self.read_config = gguf, conversion.get_model_class, ModelBase.load_hparams

    def convert(self, folder: Path, answers=None) -> tuple[dict, dict[str, np.ndarray]]:
        """The metadata and the tensors of the GGUF file. answers: of a reranker, the tokens of yes and no"""
        model = self.class_of(self.read_config(folder, False)["architectures"][0])
        # This is all that needs a tokenizer. One class hands everything to one that it holds.
        for kind in [model, getattr(model, "Ministral3Model", model)]:
            kind.set_vocab = lambda self: None
            # As with `--no-mtp`: the tiny models predict no further tokens.
            kind.no_mtp = True
        if answers:
            model._is_qwen3_reranker = lambda self: True
            model._find_rerank_config = lambda self: self.__dict__.update(is_rerank=True, token_true_id=answers[0], token_false_id=answers[1])
        elif hasattr(model, "_is_qwen3_reranker"):
            model._is_qwen3_reranker = lambda self: False
        file = folder / "model.gguf"
        # The class keeps what an earlier model had.
        model.module_paths, model.dense_features_dims = [], {}
        with torch.inference_mode():
            dense = (folder / "modules.json").exists()
            model(folder, self.gguf.LlamaFileType.ALL_F32, file, eager=True, sentence_transformers_dense_modules=dense).write()
        reader = self.gguf.GGUFReader(file)
        fields = {key: field.contents() for key, field in reader.fields.items()}
        metadata = {
            key: content
            for key, content in fields.items()
            if key == "general.architecture" or not key.startswith(("general.", "GGUF.", "tokenizer."))
        }
        return metadata, {tensor.name: np.array(tensor.data) for tensor in reader.tensors}


class Case:
    """A tiny model.

    family: transformers' classes begin with it
    dtype: of the safetensors file
    edit: changes `config.json` from what this version of transformers writes
    gguf, hub: whether there is a case of this kind
    mxfp4: whether the experts of the safetensors file are in MXFP4, as gpt-oss is published
    """

    # Of a reranker, the tokens of yes and no.
    answers = None

    def __init__(self, name, family, *, dtype="F32", edit=None, gguf=True, hub=True, mxfp4=False, **config):
        self.name, self.family, self.dtype, self.edit, self.gguf, self.hub = name, family, dtype, edit, gguf, hub
        self.mxfp4 = mxfp4
        kind = family + ("Text" if family in ["Gemma3", "Gemma4", "Qwen3_5", "Qwen3_5Moe"] else "")
        self.config = getattr(transformers, kind + "Config")(**{**SIZES, **config})
        self.norm_base = 0 if family.startswith(("Gemma", "Qwen3_5", "Qwen3Next")) else 1

    def model_class(self):
        return getattr(transformers, self.family + "ForCausalLM")

    def config_json(self) -> dict:
        config = json.loads(self.config.to_json_string(use_diff=True))
        config["architectures"] = [self.family + "ForCausalLM"]
        for noise in ["transformers_version", "use_cache", "initializer_range", "attention_dropout", "dtype"]:
            config.pop(noise, None)
        return self.edit(config) if self.edit else config

    def published(self, config: dict, state: dict[str, torch.Tensor]) -> tuple[dict, dict]:
        """The model as it is published, of that which transformers has."""
        return config, state

    def write(self, folder: Path, state: dict[str, torch.Tensor], published=False) -> None:
        config = self.config_json()
        if published:
            config, state = self.published(config, state)
        (folder / "config.json").write_text(json.dumps(config))
        vocabulary = {str(i): i for i in range(VOCABULARY)}
        (folder / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}, "added_tokens": []}))
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})

    def shapes(self) -> dict[str, list[int]]:
        """The tensors that transformers saves."""
        with tempfile.TemporaryDirectory() as folder:
            self.model_class()(self.config).save_pretrained(folder)
            return {name: list(w.shape) for name, w in load_file(folder + "/model.safetensors").items()}

    def run(self, folder: Path, described: dict) -> dict:
        model = self.model_class().from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        for attempt in range(20):
            prompt = [(7 * i * i + 3 * i + 11 + attempt) % VOCABULARY for i in range(PROMPT_TOKENS)]
            ids, gaps, first = list(prompt), [], torch.zeros(0)
            # By hand, so that no generation default of the model takes part. Two tokens that are as likely would make a
            # test that fails by rounding.
            while len(ids) < PROMPT_TOKENS + NEW_TOKENS and min(gaps, default=1) > 4e-3:
                with torch.inference_mode():
                    logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
                first = logits if not gaps else first
                best = logits.topk(2)
                gaps.append(float(best.values[0] - best.values[1]))
                ids.append(int(best.indices[0]))
            if min(gaps) > 4e-3:
                break
        else:
            raise AssertionError(f"{self.name}: two tokens are as likely for each prompt, {min(gaps)}")
        return {
            "name": self.name,
            **described,
            "ids": prompt,
            "greedy": ids[PROMPT_TOKENS:],
            "logits": [round(float(logit), 4) for logit in first],
        }

    def safetensors(self) -> dict:
        shapes, packs, described = self.shapes(), {}, {}
        for name in list(shapes):
            if self.mxfp4 and "experts" in name and not name.endswith("bias"):
                packs[name], halves = packed(name, shapes.pop(name))
                described.update(halves)
        places, count = numbered(shapes)
        flat = torch.zeros(count)
        for name, numbers in self.published({}, places)[1].items():
            base, scale = spread(name, self.norm_base)
            flat[numbers.long()] = torch.from_numpy(value(name, numbers.numel(), base, scale)).view(numbers.shape)
            described[name] = [base, scale, *numbers.shape]
        state = packs | {name: flat[w.long()].to(DTYPES[self.dtype]) for name, w in places.items()}
        with tempfile.TemporaryDirectory() as folder:
            self.write(Path(folder), state)
            config = self.published(self.config_json(), {})[0] | ({"quantization_config": {"quant_method": "mxfp4"}} if self.mxfp4 else {})
            return self.run(Path(folder), {"config": config, "dtype": self.dtype, "tensors": grouped(described)})

    def gguf_file(self, converter: Converter) -> dict:
        shapes = self.shapes()
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            # Which number comes from which: the numbers are their own places. Norms of Gemma and the later Qwens are raised by 1,
            # and decays are exponentials, which are exact enough for the first places.
            places, at = numbered(dict(sorted(shapes.items(), key=lambda named: not named[0].endswith("A_log"))), 4)
            decays = {name: w.log() if name.endswith("A_log") else w for name, w in places.items()}
            self.write(folder, decays, published=True)
            metadata, found = converter.convert(folder, self.answers)
            found = {name: (-w).round() if name.endswith("ssm_a") else w for name, w in found.items()}
            flat, described, factors = np.zeros(at, dtype=np.float32), {}, {}
            for name, numbers in found.items():
                if name.startswith("rope_"):
                    factors[name] = [float(f) for f in numbers]
                    continue
                base, scale = spread(name, 1)
                chosen = value(name, numbers.size, base, scale)
                own = np.log(-chosen) if name.endswith("ssm_a") else chosen - numbers.ravel() % 4
                flat[(numbers.ravel() // 4).astype(np.int64)] = own
                described[name] = [base, scale, *numbers.shape[::-1]]
            state = {n: torch.from_numpy(flat[(w / 4).long().numpy()]).view(shapes[n]) for n, w in places.items()}
            self.write(folder, state, published=True)
            for name, numbers in converter.convert(folder, self.answers)[1].items():
                if not name.startswith("rope_"):
                    base, scale = described[name][:2]
                    chosen = value(name, numbers.size, base, scale)
                    rounded = 1e-6 if name.endswith("ssm_a") else 0
                    assert np.allclose(numbers.ravel(), chosen, rtol=rounded, atol=0), name
            self.write(folder, state)
            return self.run(folder, {"metadata": metadata, "tensors": grouped(described), "factors": factors})


class Vectors(Case):
    """A tiny model that makes vectors of texts, as sentence-transformers saves it.

    pooling: mean or lasttoken
    dense: the sizes of what the matrices after it make
    answers: the tokens of yes and no of a reranker, whose vectors are their logits
    """

    def __init__(self, name, family, *, pooling="lasttoken", dense=(), answers=None, **more):
        super().__init__(name, family, **more)
        self.pooling, self.dense, self.answers = pooling, dense, answers

    def model_class(self):
        if self.answers:
            return super().model_class()
        return getattr(transformers, self.family + ("TextModel" if self.family == "Gemma3" else "Model"))

    def config_json(self) -> dict:
        config = super().config_json()
        if self.family == "Gemma3":
            config["architectures"] = ["Gemma3TextModel"]
        return config

    def shapes(self) -> dict[str, list[int]]:
        sizes = [self.config.hidden_size, *self.dense]
        dense = {f"{i + 2}_Dense/linear.weight": [sizes[i + 1], sizes[i]] for i in range(len(self.dense))}
        return super().shapes() | dense

    def write(self, folder: Path, state: dict[str, torch.Tensor], published=False) -> None:
        super().write(folder, {name: w for name, w in state.items() if "/" not in name}, published)
        if self.answers:
            return
        modules = ["", "1_Pooling"] + [f"{i + 2}_Dense" for i in range(len(self.dense))]
        kinds = ["Transformer", "Pooling"] + ["Dense"] * len(self.dense)
        listed = [{"path": path, "type": "sentence_transformers.models." + kind} for path, kind in zip(modules, kinds)]
        (folder / "modules.json").write_text(json.dumps(listed))
        (folder / "1_Pooling").mkdir(exist_ok=True)
        mean = {"pooling_mode_mean_tokens": self.pooling == "mean", "pooling_mode_lasttoken": self.pooling == "lasttoken"}
        (folder / "1_Pooling/config.json").write_text(json.dumps(mean))
        for path in modules[2:]:
            w = state[path + "/linear.weight"]
            (folder / path).mkdir(exist_ok=True)
            save_file({"linear.weight": w}, folder / path / "model.safetensors")
            sizes = {"in_features": w.size(1), "out_features": w.size(0), "bias": False}
            (folder / path / "config.json").write_text(
                json.dumps(sizes | {"activation_function": "torch.nn.modules.linear.Identity"})
            )

    def run(self, folder: Path, described: dict) -> dict:
        model = self.model_class().from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        texts = [[(7 * i * i + 3 * i + 5 * length) % VOCABULARY for i in range(length)] for length in [40, 7, 90]]
        vectors = []
        for ids in texts:
            with torch.inference_mode():
                out = model(torch.tensor([ids]), use_cache=False)
            if self.answers:
                vector = out.logits[0, -1, self.answers]
            else:
                rows = out.last_hidden_state[0]
                vector = rows.mean(0) if self.pooling == "mean" else rows[-1]
                for i in range(len(self.dense)):
                    vector = load_file(folder / f"{i + 2}_Dense/model.safetensors")["linear.weight"].float() @ vector
                vector = vector / vector.norm()
            vectors.append([round(float(value), 6) for value in vector])
        return {"name": self.name, **described, "texts": texts, "answers": self.answers or [], "vectors": vectors}


def vector_cases() -> list[Case]:
    small = dict(hidden_size=32, intermediate_size=64, tie_word_embeddings=True)
    gemma = dict(small, head_dim=16, sliding_window=20, query_pre_attn_scalar=16, use_bidirectional_attention=True)
    qwen = dict(small, head_dim=16, rope_parameters=rope(theta=1e6))
    return [
        Vectors("EmbeddingGemma", "Gemma3", pooling="mean", dense=(48, 32), num_hidden_layers=6, **gemma),
        Vectors("EmbeddingGemma without matrices, in BF16", "Gemma3", pooling="mean", gguf=False, dtype="BF16", **gemma),
        Vectors("Qwen3-Embedding", "Qwen3", **qwen),
        Vectors("Qwen3-Embedding in BF16", "Qwen3", gguf=False, dtype="BF16", **qwen),
        Vectors("Qwen3 with the mean", "Qwen3", pooling="mean", **qwen),
        Vectors("Qwen3-Reranker", "Qwen3", gguf=False, answers=[11, 83], **qwen),
        Vectors("Qwen3-Reranker, not tied", "Qwen3", answers=[83, 11], **qwen | {"tie_word_embeddings": False}),
    ]


class InternLm2(Case):
    """transformers does not have this model. It is Llama with other names, and with queries, keys and values in one matrix:
    for each key head its queries, itself and its values."""

    NAMES = {
        "embed_tokens": "tok_embeddings",
        "lm_head": "output",
        "input_layernorm": "attention_norm",
        "post_attention_layernorm": "ffn_norm",
        "self_attn.o_proj": "attention.wo",
        "mlp.gate_proj": "feed_forward.w1",
        "mlp.up_proj": "feed_forward.w3",
        "mlp.down_proj": "feed_forward.w2",
    }

    def __init__(self, name, **config):
        super().__init__(name, "Llama", **config)

    def published(self, config: dict, state: dict[str, torch.Tensor]) -> tuple[dict, dict]:
        found = {}
        heads, group = self.config.num_key_value_heads, self.config.num_attention_heads // self.config.num_key_value_heads
        for name, w in state.items():
            if name.endswith("self_attn.q_proj.weight"):
                k, v = state[name.replace("q_proj", "k_proj")], state[name.replace("q_proj", "v_proj")]
                parts = [w.view(heads, group, -1, w.size(1)), k.view(heads, 1, -1, w.size(1)), v.view(heads, 1, -1, w.size(1))]
                found[name.replace("self_attn.q_proj", "attention.wqkv")] = torch.cat(parts, 1).view(-1, w.size(1))
            elif "k_proj" not in name and "v_proj" not in name:
                for theirs, own in self.NAMES.items():
                    name = name.replace(theirs, own)
                found[name] = w.contiguous()
        return config | {"model_type": "internlm2", "architectures": ["InternLM2ForCausalLM"]}, found


def grouped(tensors: dict[str, list]) -> dict[str, list]:
    """One entry for the tensors of the same part of all layers, and of all experts of a layer, if they are alike: their
    numbers become a count, as in `blk.{2}.attn_q.weight`."""
    kinds: dict[str, dict[str, list]] = {}
    for name, described in tensors.items():
        pattern = ".".join("{}" if part.isdigit() else part for part in name.split("."))
        kinds.setdefault(pattern, {})[name] = described
    found: dict[str, list] = {}
    for pattern, all in kinds.items():
        numbers = [[int(part) for part in name.split(".") if part.isdigit()] for name in all]
        counts = [max(column) + 1 for column in zip(*numbers)]
        described = next(iter(all.values()))
        if len(all) == math.prod(counts) and all == dict.fromkeys(all, described):
            found[pattern.replace("{}", "{{{}}}").format(*counts)] = described
        else:
            found.update(all)
    return found


def old_rope(config: dict) -> dict:
    """As transformers wrote it before version 5."""
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    return config


def old_gemma3(config: dict) -> dict:
    ropes = config.pop("rope_parameters")
    config["rope_theta"] = ropes["full_attention"]["rope_theta"]
    config["rope_local_base_freq"] = ropes["sliding_attention"]["rope_theta"]
    config["rope_scaling"] = {"rope_type": "linear", "factor": ropes["full_attention"]["factor"]}
    config["sliding_window_pattern"] = config.pop("_sliding_window_pattern")
    del config["layer_types"]
    return config


def rope(kind="default", theta=10_000.0, **more) -> dict:
    return {"rope_type": kind, "rope_theta": theta, **more}


def old_gemma4(config: dict) -> dict:
    """As the first version of transformers with it wrote it."""
    config["global_head_dim"] = next(iter(config.pop("per_layer_config").values()))["head_dim"]
    del config["layer_types"], config["rope_parameters"]
    return config


LLAMA3 = rope("llama3", 5000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)
YARN = rope("yarn", factor=4.0, original_max_position_embeddings=32)
FULL, SLIDING, LINEAR = "full_attention", "sliding_attention", "linear_attention"
GEMMA4 = {FULL: rope("proportional", 1e6, partial_rotary_factor=0.25), SLIDING: rope()}
MROPE = rope(theta=10_000_000.0, partial_rotary_factor=0.25, mrope_section=[2, 1, 1], mrope_interleaved=True)


def long_rope(pairs: int) -> dict:
    # The factors of short contexts are near 1, the others grow with the pair.
    short = [1.0 + i / 64 for i in range(pairs)]
    return {"rope_type": "longrope", "short_factor": short, "long_factor": [1.5 + i / 2 for i in range(pairs)]}


def delta(key_heads: int, value_heads: int, key_dim: int, value_dim: int, kernel=4) -> dict:
    """The sizes of Gated DeltaNet layers."""
    sizes = dict(linear_num_key_heads=key_heads, linear_num_value_heads=value_heads, linear_conv_kernel_dim=kernel)
    return {**sizes, "linear_key_head_dim": key_dim, "linear_value_head_dim": value_dim}


def cases() -> list[Case]:
    qwen = dict(rope_parameters=rope(theta=1_000_000.0))
    return [
        Case("Llama 2 in F16, config of transformers 4", "Llama", dtype="F16", edit=old_rope, head_dim=16),
        Case("Llama 3 in BF16, tied", "Llama", dtype="BF16", head_dim=32, tie_word_embeddings=True, rope_parameters=LLAMA3),
        Case("Llama 3, config of transformers 4", "Llama", gguf=False, edit=old_rope, head_dim=32, rope_parameters=LLAMA3),
        Case("Llama with linear scaling", "Llama", head_dim=16, rope_parameters=rope("linear", factor=4.0)),
        Case("Llama with dynamic scaling", "Llama", gguf=False, head_dim=16, rope_parameters=rope("dynamic", factor=4.0)),
        Case("Llama with YaRN", "Llama", head_dim=24, rope_parameters=YARN),
        Case("Llama with YaRN of other strength", "Llama", gguf=False, head_dim=24, edit=old_rope, num_key_value_heads=1,
             rope_parameters={**YARN, "mscale": 0.7, "mscale_all_dim": 0.4, "beta_fast": 16.0, "beta_slow": 2.0}),
        Case("Llama with YaRN of stated strength", "Llama", gguf=False, head_dim=16,
             rope_parameters={**YARN, "attention_factor": 1.3, "truncate": False}),
        Case("Llama with biases", "Llama", head_dim=16, attention_bias=True, mlp_bias=True, tie_word_embeddings=True),
        Case("Mistral in BF16", "Mistral", dtype="BF16", head_dim=32, sliding_window=None, rope_parameters=rope(theta=1e6)),
        Case("Mistral with a window", "Mistral", gguf=False, head_dim=16, sliding_window=24),
        Case("Mixtral", "Mixtral", head_dim=16, num_local_experts=5, num_experts_per_tok=2, intermediate_size=96),
        Case("Qwen 2, tied", "Qwen2", tie_word_embeddings=True, **qwen),
        Case("Qwen 2 in BF16", "Qwen2", gguf=False, dtype="BF16", **qwen),
        Case("Qwen 2 with windows in some layers", "Qwen2", gguf=False, num_hidden_layers=3, use_sliding_window=True,
             sliding_window=20, max_window_layers=1, **qwen),
        Case("Qwen 3", "Qwen3", head_dim=32, **qwen),
        Case("Qwen 3 in F16, tied", "Qwen3", gguf=False, dtype="F16", head_dim=32, tie_word_embeddings=True, **qwen),
        Case("Qwen 3 with YaRN", "Qwen3", head_dim=40, num_key_value_heads=4, rope_parameters=YARN),
        Case("Qwen 3 with experts", "Qwen3Moe", head_dim=24, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=32,
             norm_topk_prob=True, **qwen),
        Case("Qwen 3 with experts, weights as they are", "Qwen3Moe", gguf=False, head_dim=16, num_experts=4,
             num_experts_per_tok=2, moe_intermediate_size=64, norm_topk_prob=False, tie_word_embeddings=True),
        Case("Qwen 3.5", "Qwen3_5", **delta(2, 4, 16, 16), head_dim=32, num_hidden_layers=4, rope_parameters=MROPE),
        Case("Qwen 3.5, tied, as many key heads as value heads", "Qwen3_5", **delta(3, 3, 8, 8), head_dim=24, dtype="BF16",
             num_hidden_layers=3, tie_word_embeddings=True, layer_types=[FULL, LINEAR, LINEAR], rope_parameters={
                 **MROPE, "partial_rotary_factor": 0.5, "mrope_section": [2, 2, 2]}),
        Case("Qwen 3.5 with other sizes of keys and values", "Qwen3_5", gguf=False, **delta(2, 6, 24, 16, kernel=3), head_dim=32,
             num_hidden_layers=2, num_key_value_heads=1, layer_types=[LINEAR, FULL], rope_parameters=MROPE),
        Case("Qwen 3.5 with experts", "Qwen3_5Moe", **delta(2, 4, 16, 16), head_dim=32, num_hidden_layers=4, num_experts=5,
             num_experts_per_tok=2, moe_intermediate_size=32, shared_expert_intermediate_size=96, rope_parameters=MROPE),
        Case("Qwen3-Next", "Qwen3Next", **delta(2, 4, 16, 16), head_dim=32, num_hidden_layers=4, num_experts=5, num_experts_per_tok=2,
             moe_intermediate_size=32, shared_expert_intermediate_size=48,
             rope_parameters=rope(theta=10_000_000.0, partial_rotary_factor=0.25)),
        Case("SmolLM3, tied", "SmolLM3", num_hidden_layers=4, tie_word_embeddings=True),
        Case("SmolLM3 with biases", "SmolLM3", gguf=False, num_hidden_layers=3, no_rope_layers=[1, 0, 1],
             attention_bias=True, mlp_bias=True),
        Case("Granite 3, tied", "Granite", tie_word_embeddings=True, embedding_multiplier=2.5, attention_multiplier=0.2,
             residual_multiplier=0.4, logits_scaling=1.7),
        Case("Granite 3 with biases", "Granite", num_attention_heads=8, attention_bias=True, mlp_bias=True,
             embedding_multiplier=3.0, attention_multiplier=0.3, residual_multiplier=0.6, logits_scaling=0.5),
        Case("OLMo 2", "Olmo2", rope_parameters=rope(theta=500_000.0)),
        Case("OLMo 3", "Olmo3", num_hidden_layers=4, num_key_value_heads=4, sliding_window=20,
             rope_parameters={FULL: YARN, SLIDING: rope()}),
        Case("OLMo 3, config of transformers 4", "Olmo3", gguf=False, num_hidden_layers=4, sliding_window=20, edit=old_olmo3,
             # transformers 5 takes this base for layers with a window, whatever an old file says.
             rope_parameters={FULL: {**YARN, "rope_theta": 500_000.0}, SLIDING: rope(theta=500_000.0)}),
        Case("Phi 3 with a window", "Phi3", gguf=False, sliding_window=24, original_max_position_embeddings=128),
        Case("Phi 4", "Phi3", sliding_window=None, hidden_size=80, original_max_position_embeddings=128),
        Case("Phi 3.5, long", "Phi3", hidden_size=96, num_key_value_heads=4, sliding_window=None, edit=old_rope,
             original_max_position_embeddings=32, rope_parameters={"rope_theta": 10_000.0, **long_rope(12)}),
        Case("Phi 4 mini, short, tied", "Phi3", gguf=False, hidden_size=96, sliding_window=None, tie_word_embeddings=True,
             original_max_position_embeddings=128, partial_rotary_factor=0.75,
             rope_parameters={"rope_theta": 10_000.0, "partial_rotary_factor": 0.75, **long_rope(9)}),
        Case("GLM 4", "Glm4", head_dim=24, attention_bias=True, rope_parameters=rope(partial_rotary_factor=0.5)),
        Case("GLM 4 without biases", "Glm4", gguf=False, head_dim=32, attention_bias=False, num_key_value_heads=1,
             rope_parameters=rope(partial_rotary_factor=0.5)),
        Case("EXAONE 4, tied", "Exaone4", sliding_window=None, layer_types=[FULL] * 2, tie_word_embeddings=True,
             rope_parameters={**LLAMA3, "factor": 16.0}),
        Case("EXAONE 4 with windows", "Exaone4", num_hidden_layers=4, sliding_window=20, num_key_value_heads=4,
             sliding_window_pattern=4),
        Case("Ministral 3", "Ministral3", head_dim=24, sliding_window=None, rope_parameters=rope(
            "yarn", factor=8.0, original_max_position_embeddings=16, beta_fast=32.0, beta_slow=1.0, mscale=1.0,
            mscale_all_dim=1.0, llama_4_scaling_beta=0.1)),
        Case("Gemma 2", "Gemma2", head_dim=24, sliding_window=20, query_pre_attn_scalar=24, num_hidden_layers=4,
             tie_word_embeddings=True, hidden_act="gelu_pytorch_tanh"),
        Case("Gemma 2 with other caps", "Gemma2", gguf=False, head_dim=16, sliding_window=20, query_pre_attn_scalar=10,
             tie_word_embeddings=True, attn_logit_softcapping=5.0, final_logit_softcapping=8.0, num_key_value_heads=4),
        Case("Gemma 3", "Gemma3", head_dim=24, sliding_window=20, query_pre_attn_scalar=24, num_hidden_layers=6,
             hidden_size=32, intermediate_size=64, tie_word_embeddings=True,
             rope_parameters={FULL: rope("linear", 1e6, factor=8.0), SLIDING: rope()}),
        Case("Gemma 3, config of transformers 4", "Gemma3", gguf=False, head_dim=16, sliding_window=20, hidden_size=32,
             query_pre_attn_scalar=40, num_hidden_layers=6, tie_word_embeddings=True, edit=old_gemma3,
             rope_parameters={FULL: rope("linear", 1e6, factor=8.0), SLIDING: rope()}),
        Case("Gemma 4, shared keys and a second embedding", "Gemma4", head_dim=16, sliding_window=20, num_hidden_layers=6,
             num_attention_heads=4, num_key_value_heads=1, global_head_dim=24, hidden_size=48, intermediate_size=64,
             hidden_size_per_layer_input=8, vocab_size_per_layer_input=VOCABULARY, num_kv_shared_layers=3,
             use_double_wide_mlp=True, final_logit_softcapping=30.0, tie_word_embeddings=True,
             layer_types=[SLIDING, FULL, SLIDING, SLIDING, SLIDING, FULL], rope_parameters=GEMMA4),
        Case("Gemma 4, values that are keys", "Gemma4", head_dim=8, sliding_window=24, num_hidden_layers=3,
             num_attention_heads=6, num_key_value_heads=3, global_head_dim=40, num_global_key_value_heads=2,
             attention_k_eq_v=True, hidden_size_per_layer_input=0, layer_types=[SLIDING, SLIDING, FULL],
             intermediate_size=72, tie_word_embeddings=True, rope_parameters=GEMMA4),
        Case("Gemma 4 with experts", "Gemma4", head_dim=16, sliding_window=20, num_hidden_layers=3, intermediate_size=48,
             global_head_dim=32, num_global_key_value_heads=1, attention_k_eq_v=True, hidden_size_per_layer_input=0,
             layer_types=[SLIDING, FULL, FULL], enable_moe_block=True, num_experts=5, top_k_experts=2,
             moe_intermediate_size=32, final_logit_softcapping=10.0, tie_word_embeddings=True, rope_parameters=GEMMA4),
        Case("Gemma 4 by defaults, in BF16", "Gemma4", gguf=False, dtype="BF16", num_hidden_layers=7, hidden_size=32,
             intermediate_size=40, num_attention_heads=2, num_key_value_heads=1, vocab_size_per_layer_input=VOCABULARY,
             head_dim=16, sliding_window=24, hidden_size_per_layer_input=6, tie_word_embeddings=True, num_kv_shared_layers=1,
             edit=old_gemma4, global_head_dim=20),
        Case("ERNIE 4.5, tied", "Ernie4_5", head_dim=24, tie_word_embeddings=True, use_bias=True),
        InternLm2("InternLM 2", num_attention_heads=6, hidden_size=96, rope_parameters=rope(theta=1e6), edit=old_rope),
        Case("gpt-oss", "GptOss", head_dim=16, num_local_experts=5, num_experts_per_tok=2, intermediate_size=96,
             sliding_window=20, rope_parameters=rope("yarn", 150_000.0, factor=4.0, original_max_position_embeddings=32,
                                                     beta_fast=32.0, beta_slow=1.0, truncate=False)),
        Case("gpt-oss in MXFP4", "GptOss", gguf=False, mxfp4=True, dtype="BF16", head_dim=16, num_local_experts=3,
             num_experts_per_tok=2, sliding_window=20, intermediate_size=96),
    ]


def old_olmo3(config: dict) -> dict:
    ropes = config.pop("rope_parameters")
    config["rope_theta"] = ropes[FULL].pop("rope_theta")
    config["rope_scaling"] = ropes[FULL]
    return config


def main() -> None:
    torch.set_num_threads(1)
    converter = Converter(Path(sys.argv[1]))
    chosen = [case for case in cases() if len(sys.argv) == 2 or case.name.startswith(tuple(sys.argv[2:]))]
    ggufs = [case.gguf_file(converter) for case in chosen if case.gguf]
    hubs = [case.safetensors() for case in chosen if case.hub]
    if len(sys.argv) == 2:
        write("architectures.json", ggufs)
        write("safetensors.json", hubs)
    vectors = [case for case in vector_cases() if len(sys.argv) == 2 or case.name.startswith(tuple(sys.argv[2:]))]
    made = [case.gguf_file(converter) for case in vectors if case.gguf] + [case.safetensors() for case in vectors if case.hub]
    if len(sys.argv) == 2:
        write("vectors.json", made)


def write(name: str, goldens: list[dict]) -> None:
    (OUT / name).write_text("[\n" + ",\n".join(json.dumps(golden) for golden in goldens) + "\n]\n")


if __name__ == "__main__":
    main()
