"""Writes src/test/resources/golden/architectures.json: what transformers makes of a tiny model of each architecture in
float32.

    python src/test/python/golden_architectures.py    # torch, transformers

A case has the metadata of a GGUF file, its tensors, the ids of a prompt, the logits after it and the greedy continuation.
The weights are not written down: `value` says what they are, here and in GoldenArchitecturesTest.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM

OUT = Path(__file__).resolve().parents[1] / "resources/golden/architectures.json"
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
                 bias=False, head_norms=False, rope=None, metadata=None):
        self.name, self.half_split, self.dim, self.tied = name, half_split, dim, tied
        rope = rope or {"rope_type": "default"}
        sizes = dict(num_hidden_layers=LAYERS, hidden_size=HIDDEN, intermediate_size=FEED_FORWARD, vocab_size=VOCABULARY)
        sizes.update(num_attention_heads=HEADS, num_key_value_heads=KV_HEADS, head_dim=dim)
        sizes.update(max_position_embeddings=CONTEXT)
        self.config = config(**sizes, rms_norm_eps=epsilon, tie_word_embeddings=tied,
                             rope_parameters={"rope_theta": theta, **rope})
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

    def state(self) -> dict[str, torch.Tensor]:
        """The weights as transformers has them: by its names, and rotary pairs half a head apart."""
        state = {}
        for tensor in self.tensors:
            name, shape = tensor["name"], tensor["shape"][::-1]
            w = torch.from_numpy(value(name, math.prod(shape), tensor["base"], tensor["scale"])).view(shape)
            if not self.half_split and (".attn_q." in name or ".attn_k." in name):
                w = w.view(-1, self.dim // 2, 2, *shape[1:]).swapaxes(1, 2).reshape(shape)
            outside = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
            outside["output.weight"] = "lm_head.weight"
            if name in outside:
                state[outside[name]] = w
            else:
                _, layer, part, kind = name.split(".")
                state[f"model.layers.{layer}.{NAMES[part]}.{kind}"] = w
        if self.tied:
            state["lm_head.weight"] = state["model.embed_tokens.weight"]
        return state

    def golden(self) -> dict:
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
            "metadata": self.metadata,
            "tensors": self.tensors,
            "factors": self.factors,
            "ids": PROMPT,
            "greedy": ids[len(PROMPT) :],
            "logits": [round(float(logit), 5) for logit in logits],
        }


def cases() -> list[Case]:
    llama, mistral = (LlamaConfig, LlamaForCausalLM), (MistralConfig, MistralForCausalLM)
    qwen2, qwen3 = (Qwen2Config, Qwen2ForCausalLM), (Qwen3Config, Qwen3ForCausalLM)
    llama3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    llama3["original_max_position_embeddings"] = 32
    linear = {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}
    return [
        Case("Llama 2", "llama", *llama, half_split=False, dim=16),
        Case("Llama 3", "llama", *llama, half_split=False, dim=32, tied=True, theta=5000.0, rope=llama3),
        Case("Llama with linear scaling", "llama", *llama, half_split=False, dim=16,
             rope={"rope_type": "linear", "factor": 4.0}, metadata=linear),
        Case("Llama in the order of transformers", "llama", *llama, half_split=True, dim=16,
             metadata={"llama.rope.half_split": True}),
        Case("Mistral", "llama", *mistral, half_split=False, dim=32, theta=1_000_000.0),
        Case("Qwen 2", "qwen2", *qwen2, half_split=True, dim=16, tied=True, theta=1_000_000.0, epsilon=1e-6, bias=True),
        Case("Qwen 3", "qwen3", *qwen3, half_split=True, dim=32, theta=1_000_000.0, epsilon=1e-6, head_norms=True),
    ]


def main() -> None:
    OUT.write_text("[\n" + ",\n".join(json.dumps(case.golden()) for case in cases()) + "\n]\n")


if __name__ == "__main__":
    main()
