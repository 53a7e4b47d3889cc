"""Writes src/test/resources/golden/architectures.json and safetensors.json: what transformers makes of a tiny model of
each architecture in float32.

    python src/test/python/golden_architectures.py    # torch, transformers

A case has the metadata of a GGUF file or the `config.json` of a folder, its tensors, the ids of a prompt, the logits
after it and the greedy continuation.
The weights are not written down: `value` says what they are, here and in GoldenArchitecturesTest.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

OUT = Path(__file__).resolve().parents[1] / "resources/golden"
LAYERS, HIDDEN, HEADS, KV_HEADS, FEED_FORWARD, VOCABULARY, CONTEXT = 2, 64, 4, 2, 128, 128, 128
PROMPT = [(7 * i * i + 3 * i + 11) % VOCABULARY for i in range(40)]
NEW_TOKENS = 24
NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


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


def llama3_factors(dim: int, theta: float, rope: dict) -> list[float]:
    """The divisors of the frequencies that llama.cpp's converter writes to rope_freqs.weight."""
    low, high, original = rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"]
    factors = []
    for i in range(dim // 2):
        wavelength = 2 * math.pi * theta ** (2 * i / dim)
        if wavelength < original / high:
            factors.append(1.0)
        elif wavelength > original / low:
            factors.append(rope["factor"])
        else:
            smooth = (original / wavelength - low) / (high - low)
            factors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return [float(np.float32(f)) for f in factors]


class Case:
    def __init__(self, name, architecture, config, model, *, half_split, dim, tied=False, theta=10_000.0, epsilon=1e-5,
                 bias=False, head_norms=False, rope=None, metadata=None, dtype="F32", old_config=False, more={}):
        self.dtype, self.old_config = dtype, old_config
        self.name, self.half_split, self.dim, self.tied = name, half_split, dim, tied
        rope = rope or {"rope_type": "default"}
        sizes = dict(num_hidden_layers=LAYERS, hidden_size=HIDDEN, intermediate_size=FEED_FORWARD, vocab_size=VOCABULARY)
        sizes.update(num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=dim)
        sizes.update(max_position_embeddings=CONTEXT)
        self.config = config(**sizes, rms_norm_eps=epsilon, tie_word_embeddings=tied,
                             rope_parameters={"rope_theta": theta, **rope}, **more)
        self.model = model(self.config).eval()
        key = lambda k: f"{architecture}.{k}"
        self.metadata = {
            "general.architecture": architecture,
            key("block_count"): LAYERS,
            key("embedding_length"): HIDDEN,
            key("attention.head_count"): HEADS,
            key("attention.head_count_kv"): KV_HEADS,
            key("attention.key_length"): dim,
            key("attention.value_length"): dim,
            key("feed_forward_length"): FEED_FORWARD,
            key("context_length"): CONTEXT,
            key("rope.freq_base"): theta,
            key("attention.layer_norm_rms_epsilon"): epsilon,
            **(metadata or {}),
        }
        self.tensors = []
        self.add("token_embd.weight", [HIDDEN, VOCABULARY], 0, 1)
        for layer in range(LAYERS):
            self.add_layer(f"blk.{layer}.", bias, head_norms)
        self.add("output_norm.weight", [HIDDEN], 1, 0.5)
        if not tied:
            self.add("output.weight", [HIDDEN, VOCABULARY], 0, 0.25)
        self.factors = llama3_factors(dim, theta, rope) if rope["rope_type"] == "llama3" else []

    def add(self, name, shape, base, scale):
        self.tensors.append({"name": name, "shape": shape, "base": base, "scale": scale})

    def add_layer(self, block, bias, head_norms):
        queries, keys = HEADS * self.dim, KV_HEADS * self.dim
        for part, rows in {"attn_q": queries, "attn_k": keys, "attn_v": keys}.items():
            self.add(f"{block}{part}.weight", [HIDDEN, rows], 0, 0.25)
            if bias:
                self.add(f"{block}{part}.bias", [rows], 0, 1)
        if head_norms:
            self.add(block + "attn_q_norm.weight", [self.dim], 1, 0.5)
            self.add(block + "attn_k_norm.weight", [self.dim], 1, 0.5)
        self.add(block + "attn_norm.weight", [HIDDEN], 1, 0.5)
        self.add(block + "ffn_norm.weight", [HIDDEN], 1, 0.5)
        self.add(block + "attn_output.weight", [queries, HIDDEN], 0, 0.25)
        self.add(block + "ffn_gate.weight", [HIDDEN, FEED_FORWARD], 0, 0.25)
        self.add(block + "ffn_up.weight", [HIDDEN, FEED_FORWARD], 0, 0.25)
        self.add(block + "ffn_down.weight", [FEED_FORWARD, HIDDEN], 0, 0.125)

    def hub_config(self) -> dict:
        """`config.json` as this version of transformers writes it, or as those before 5 did."""
        config = json.loads(self.config.to_json_string(use_diff=True))
        config["architectures"] = [type(self.model).__name__]
        if self.old_config:
            rope = config.pop("rope_parameters")
            config["rope_theta"] = rope.pop("rope_theta")
            config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
        return config

    def hub_name(self, name: str) -> str:
        outside = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
        outside["output.weight"] = "lm_head.weight"
        if name in outside:
            return outside[name]
        _, layer, part, kind = name.split(".")
        return f"model.layers.{layer}.{NAMES[part]}.{kind}"

    def state(self) -> dict[str, torch.Tensor]:
        """The weights as transformers has them: by its names, and rotary pairs half a head apart."""
        state = {}
        for tensor in self.tensors:
            name, shape = tensor["name"], tensor["shape"][::-1]
            w = torch.from_numpy(value(name, math.prod(shape), tensor["base"], tensor["scale"])).view(shape)
            if not self.half_split and (".attn_q." in name or ".attn_k." in name):
                w = w.view(-1, self.dim // 2, 2, *shape[1:]).swapaxes(1, 2).reshape(shape)
            w = w.to({"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[self.dtype]).float()
            state[self.hub_name(name)] = w
        if self.tied:
            state["lm_head.weight"] = state["model.embed_tokens.weight"]
        return state

    def gguf(self) -> dict:
        return self.golden({"metadata": self.metadata, "tensors": self.tensors, "factors": self.factors})

    def safetensors(self) -> dict:
        tensors = [{**tensor, "hubName": self.hub_name(tensor["name"])} for tensor in self.tensors]
        return self.golden({"config": self.hub_config(), "dtype": self.dtype, "tensors": tensors})

    def golden(self, described: dict) -> dict:
        self.model.load_state_dict(self.state(), strict=True)
        ids = list(PROMPT)
        gaps = []
        with torch.inference_mode():
            logits = self.model(torch.tensor([ids])).logits[0, -1]
            for _ in range(NEW_TOKENS):
                # By hand, so that no generation default of the model takes part.
                best = self.model(torch.tensor([ids])).logits[0, -1].topk(2)
                gaps.append(float(best.values[0] - best.values[1]))
                ids.append(int(best.indices[0]))
        assert min(gaps) > 2e-3, f"{self.name}: two tokens are as likely, {min(gaps)}"
        return {
            "name": self.name,
            **described,
            "ids": PROMPT,
            "greedy": ids[len(PROMPT) :],
            "logits": [round(float(logit), 5) for logit in logits],
        }


LLAMA, MISTRAL = (LlamaConfig, LlamaForCausalLM), (MistralConfig, MistralForCausalLM)
QWEN2, QWEN3 = (Qwen2Config, Qwen2ForCausalLM), (Qwen3Config, Qwen3ForCausalLM)
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
LLAMA3["original_max_position_embeddings"] = 32


def hub_cases() -> list[Case]:
    """In the order of transformers, and as its files have them."""
    def case(name, architecture, classes, dim, **more):
        return Case(name, architecture, *classes, half_split=True, dim=dim, **more)

    qwen = dict(theta=1_000_000.0, epsilon=1e-6)
    return [
        case("Llama 2 in F16, config of transformers 4", "llama", LLAMA, 16, dtype="F16", old_config=True),
        case("Llama 3 in BF16, tied", "llama", LLAMA, 32, dtype="BF16", tied=True, theta=5000.0, rope=LLAMA3),
        case("Llama 3, config of transformers 4", "llama", LLAMA, 32, theta=5000.0, rope=LLAMA3, old_config=True),
        case("Llama with linear scaling", "llama", LLAMA, 16, rope={"rope_type": "linear", "factor": 4.0}),
        case("Llama with dynamic scaling", "llama", LLAMA, 16, rope={"rope_type": "dynamic", "factor": 4.0}),
        case("Mistral in BF16", "llama", MISTRAL, 32, dtype="BF16", theta=1_000_000.0, more={"sliding_window": None}),
        case("Mistral with a window", "llama", MISTRAL, 16, more={"sliding_window": 96}),
        case("Qwen 2, tied", "qwen2", QWEN2, 16, tied=True, bias=True, **qwen),
        case("Qwen 2 in BF16", "qwen2", QWEN2, 16, dtype="BF16", bias=True, **qwen),
        case("Qwen 3", "qwen3", QWEN3, 32, head_norms=True, **qwen),
        case("Qwen 3 in F16, tied", "qwen3", QWEN3, 32, dtype="F16", tied=True, head_norms=True, **qwen),
    ]


def cases() -> list[Case]:
    linear = {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}
    return [
        Case("Llama 2", "llama", *LLAMA, half_split=False, dim=16),
        Case("Llama 3", "llama", *LLAMA, half_split=False, dim=32, tied=True, theta=5000.0, rope=LLAMA3),
        Case("Llama with linear scaling", "llama", *LLAMA, half_split=False, dim=16,
             rope={"rope_type": "linear", "factor": 4.0}, metadata=linear),
        Case("Llama in the order of transformers", "llama", *LLAMA, half_split=True, dim=16,
             metadata={"llama.rope.half_split": True}),
        Case("Mistral", "llama", *MISTRAL, half_split=False, dim=32, theta=1_000_000.0),
        Case("Qwen 2", "qwen2", *QWEN2, half_split=True, dim=16, tied=True, theta=1_000_000.0, epsilon=1e-6, bias=True),
        Case("Qwen 3", "qwen3", *QWEN3, half_split=True, dim=32, theta=1_000_000.0, epsilon=1e-6, head_norms=True),
    ]


def main() -> None:
    write("architectures.json", [case.gguf() for case in cases()])
    write("safetensors.json", [case.safetensors() for case in hub_cases()])


def write(name: str, goldens: list[dict]) -> None:
    (OUT / name).write_text("[\n" + ",\n".join(json.dumps(golden) for golden in goldens) + "\n]\n")


if __name__ == "__main__":
    main()
