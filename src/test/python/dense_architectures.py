"""Compares `dense.pt` with transformers: tiny random models of each kind of layer, in float32. The first comparison is of
the logits after each token of a prompt. The others must equal it: chunks, steps, steps of several rows, chunks beside
steps, slots copied and swapped. In deterministic mode a row beside others must equal a row alone, to the bit.

    python src/test/python/dense_architectures.py [--program FILE] [NAME…]    # torch 2.7.1, transformers 4.57
"""

import argparse
import sys

import torch
import transformers

import programs
from programs import PROGRAMS, layer, put_embedding, put_head, put_matrix, put_output_norm, put_vector, rope

LENGTH, SLOTS, TOKENS = 256, 4, 150
LIMIT = 2e-4
COMMON = dict(
    vocab_size=96,
    hidden_size=40,
    intermediate_size=56,
    num_hidden_layers=4,
    num_attention_heads=6,
    num_key_value_heads=2,
    head_dim=12,
    max_position_embeddings=512,
    rms_norm_eps=1e-3,
    rope_theta=100.0,
    pad_token_id=0,
    bos_token_id=1,
    eos_token_id=2,
    attn_implementation="eager",
)
SLIDING, FULL = "sliding_attention", "full_attention"
HALF_AND_HALF = [SLIDING, FULL, SLIDING, FULL]
EXPERTS = dict(num_local_experts=6, num_experts=6, num_experts_per_tok=3, moe_intermediate_size=20)
# transformers' name, settings of the config, what the description has otherwise.
FAMILIES = {
    "llama": ("Llama", dict(), dict()),
    "llama_biased": ("Llama", dict(attention_bias=True, mlp_bias=True), dict()),
    "qwen2": ("Qwen2", dict(), dict()),
    "qwen3": ("Qwen3", dict(), dict(head_norm="each")),
    "smollm3": ("SmolLM3", dict(no_rope_layers=[1, 1, 1, 0]), dict()),
    "granite": (
        "Granite",
        dict(embedding_multiplier=3.0, residual_multiplier=0.3, attention_multiplier=0.2, logits_scaling=4.0),
        dict(residual_scale=0.3, scale=0.2),
    ),
    "olmo2": ("Olmo2", dict(), dict(norms="after", head_norm="whole")),
    "phi3": ("Phi3", dict(partial_rotary_factor=0.5, hidden_size=72), dict()),
    "glm4": ("Glm4", dict(partial_rotary_factor=0.5, attention_bias=True), dict(norms="around")),
    "exaone4": (
        "Exaone4",
        dict(sliding_window=9, layer_types=[SLIDING, SLIDING, SLIDING, FULL], sliding_window_pattern="LLLG"),
        dict(norms="after", head_norm="each"),
    ),
    "gemma2": (
        "Gemma2",
        dict(sliding_window=9, attn_logit_softcapping=2.0, final_logit_softcapping=3.0, query_pre_attn_scalar=20),
        dict(norms="around", activation="gelu", cap=2.0, scale=20**-0.5),
    ),
    "gemma3": (
        "Gemma3",
        dict(sliding_window=70, layer_types=HALF_AND_HALF, rope_local_base_freq=30.0, query_pre_attn_scalar=20),
        dict(norms="around", activation="gelu", head_norm="each", scale=20**-0.5),
    ),
    "mixtral": ("Mixtral", EXPERTS, dict(experts=6, used_experts=3, normalised=True)),
    "qwen3_moe": (
        "Qwen3Moe",
        EXPERTS | dict(norm_topk_prob=False, mlp_only_layers=[], decoder_sparse_step=1),
        dict(experts=6, used_experts=3, head_norm="each", width=20),
    ),
    "gpt_oss": (
        "GptOss",
        EXPERTS | dict(sliding_window=9, layer_types=HALF_AND_HALF, rope_scaling=None),
        dict(experts=6, used_experts=3, softmax_of_chosen=True, activation="clamped"),
    ),
}


def random_model(name: str, seed: int):
    family, settings, _ = FAMILIES[name]
    config = getattr(transformers, "Gemma3TextConfig" if family == "Gemma3" else family + "Config")
    torch.manual_seed(seed)
    model = getattr(transformers, family + "ForCausalLM")(config(**(COMMON | settings))).float().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            scale = parameter.size(-1) ** -0.5 * 1.5 if parameter.dim() > 1 else 0.4
            parameter.copy_(torch.randn(parameter.size()) * scale + (0.5 if parameter.dim() == 1 else 0))
    return model


def describe(name: str, config) -> tuple[list, list]:
    """Layers and ropes."""
    family, _, others = FAMILIES[name]
    types = getattr(config, "layer_types", None) or [FULL] * config.num_hidden_layers
    turning = int(config.head_dim * getattr(config, "partial_rotary_factor", 1.0))
    ropes = [(rope(config.rope_theta, turning), 1.0)]
    if family == "Gemma3":
        ropes.append((rope(config.rope_local_base_freq, turning), 1.0))
    layers = []
    for i in range(config.num_hidden_layers):
        own = dict(width=config.intermediate_size) | others
        if types[i] == SLIDING:
            own["window"] = config.sliding_window
            own["rope"] = len(ropes) - 1
        if family == "SmolLM3" and not config.no_rope_layers[i] or family == "Exaone4" and types[i] == FULL:
            own["rope"] = -1
        layers.append(layer(config.num_attention_heads, config.num_key_value_heads, config.head_dim, **own))
    return layers, ropes


def paired(rows: torch.Tensor, dim: int, turning: int) -> torch.Tensor:
    """Rows of heads, from pairs that are half of what turns apart to pairs side by side."""
    places = torch.arange(turning).view(2, -1).t().reshape(-1)
    order = torch.cat([places, torch.arange(turning, dim)])
    return rows.view(-1, dim, *rows.shape[1:])[:, order].reshape(rows.shape)


def put_attention(program, i: int, of: dict, config, family: str) -> None:
    dim = config.head_dim
    turning = int(dim * getattr(config, "partial_rotary_factor", 1.0))
    ordered = (lambda rows: rows) if family == "Glm4" else lambda rows: paired(rows, dim, turning)
    queries, keys = config.num_attention_heads * dim, config.num_key_value_heads * dim
    if "self_attn.qkv_proj.weight" in of:
        q, k, v = of["self_attn.qkv_proj.weight"].split([queries, keys, keys])
    else:
        q, k, v = (of[f"self_attn.{part}_proj.weight"] for part in "qkv")
    put_matrix(program, i, "qkv", ordered(q), ordered(k), v)
    if "self_attn.q_proj.bias" in of:
        q, k, v = (of[f"self_attn.{part}_proj.bias"] for part in "qkv")
        put_vector(program, i, "qkv_bias", ordered(q), ordered(k), v)
    if "self_attn.q_norm.weight" in of:
        put_vector(program, i, "head_norms", ordered(of["self_attn.q_norm.weight"]), ordered(of["self_attn.k_norm.weight"]))
    if "self_attn.sinks" in of:
        put_vector(program, i, "sinks", of["self_attn.sinks"])
    put_matrix(program, i, "attention_output", of["self_attn.o_proj.weight"])
    if "self_attn.o_proj.bias" in of:
        put_vector(program, i, "attention_output_bias", of["self_attn.o_proj.bias"])


def put_experts(program, i: int, of: dict, count: int) -> None:
    joined = "mlp.experts.gate_up_proj" in of
    block = "mlp" if joined or "mlp.gate.weight" in of else "block_sparse_moe"
    put_matrix(program, i, "router", of["mlp.router.weight"] if joined else of[block + ".gate.weight"])
    if joined:
        put_vector(program, i, "router_bias", of["mlp.router.bias"])
    for e in range(count):
        if joined:
            # Alternating gates and values, columns first.
            gate_up = of["mlp.experts.gate_up_proj"][e].t()
            put_matrix(program, i, "gate_up", gate_up[::2], gate_up[1::2])
            put_matrix(program, i, "down", of["mlp.experts.down_proj"][e].t())
            continue
        names = ["gate_proj", "up_proj", "down_proj"] if block == "mlp" else ["w1", "w3", "w2"]
        gate, up, down = (of[f"{block}.experts.{e}.{part}.weight"] for part in names)
        put_matrix(program, i, "gate_up", gate, up)
        put_matrix(program, i, "down", down)
    if joined:
        bias = of["mlp.experts.gate_up_proj_bias"]
        put_vector(program, i, "gate_up_bias", bias[:, ::2], bias[:, 1::2])
        put_vector(program, i, "down_bias", of["mlp.experts.down_proj_bias"])


def put_feed_forward(program, i: int, of: dict) -> None:
    if "mlp.gate_up_proj.weight" in of:
        put_matrix(program, i, "gate_up", of["mlp.gate_up_proj.weight"])
    else:
        put_matrix(program, i, "gate_up", of["mlp.gate_proj.weight"], of["mlp.up_proj.weight"])
    put_matrix(program, i, "down", of["mlp.down_proj.weight"])
    if "mlp.down_proj.bias" in of:
        put_vector(program, i, "gate_up_bias", of["mlp.gate_proj.bias"], of["mlp.up_proj.bias"])
        put_vector(program, i, "down_bias", of["mlp.down_proj.bias"])


def norm_names(family: str, norms: str) -> dict[str, str]:
    before = {"attention_norm": "input_layernorm", "feed_forward_norm": "post_attention_layernorm"}
    after = {"attention_post_norm": "post_attention_layernorm", "feed_forward_post_norm": "post_feedforward_layernorm"}
    if norms == "before":
        return before
    if norms == "after":
        return after
    if family == "Glm4":
        return before | {"attention_post_norm": "post_self_attn_layernorm", "feed_forward_post_norm": "post_mlp_layernorm"}
    return before | after | {"feed_forward_norm": "pre_feedforward_layernorm"}


def load(name: str, model, file, **others):
    family, config, weights = FAMILIES[name][0], model.config, model.state_dict()
    layers, ropes = describe(name, config)
    gemma = family.startswith("Gemma")
    scales = dict(
        epsilon=config.rms_norm_eps,
        norms_from_zero=gemma,
        embedding_scale=config.hidden_size**0.5 if gemma else getattr(config, "embedding_multiplier", 1.0),
        logit_scale=1 / getattr(config, "logits_scaling", 1.0),
        logit_cap=getattr(config, "final_logit_softcapping", None) or 0.0,
    )
    program = torch.jit.load(file)
    programs.configure(program, config.hidden_size, config.vocab_size, SLOTS, LENGTH, layers, ropes, **scales, **others)
    put_embedding(program, weights["model.embed_tokens.weight"])
    for i, described in enumerate(layers):
        start = f"model.layers.{i}."
        of = {key[len(start) :]: value for key, value in weights.items() if key.startswith(start)}
        for role, norm in norm_names(family, described.norms).items():
            put_vector(program, i, role, of[norm + ".weight"])
        put_attention(program, i, of, config, family)
        if described.experts:
            put_experts(program, i, of, described.experts)
        else:
            put_feed_forward(program, i, of)
    put_output_norm(program, weights["model.norm.weight"])
    put_head(program, weights["lm_head.weight"])
    program.build()
    return program


class Check:
    def __init__(self, name: str, expected: torch.Tensor):
        self.name, self.expected, self.worst, self.failed = name, expected, {}, False

    def below(self, what: str, found: float, limit: float) -> None:
        self.worst[what] = max(self.worst.get(what, 0.0), found)
        self.failed |= not found <= limit

    def equal(self, what: str, logits: torch.Tensor, first: int) -> None:
        """logits: after the tokens from `first` on"""
        self.below(what, float((logits - self.expected[first : first + logits.size(0)]).abs().max()), LIMIT)

    def same(self, what: str, same: bool) -> None:
        self.below(what, 0.0 if same else 1.0, 0.0)


def check_rows(check: Check, program, ids: list[int]) -> None:
    """Chunks, steps alone, beside others and beside chunks."""
    for start in range(0, TOKENS - 10, 37):
        chunk = ids[start : min(start + 37, TOKENS - 10)]
        check.equal("chunks", program.prefill_logits(chunk, 0, start, True), start)
    for slot, length in ((1, 20), (2, 97)):
        program.prefill(ids[:length], slot, 0)
    at = [TOKENS - 10, 20, 97]
    for step in range(10):
        tokens = [ids[place] for place in at]
        if step % 3 == 2:
            start = (step - 2) * 9
            program.add_chunk(ids[start : start + 27], 3, start)
            found = program.decode(tokens + at + [0] * 3, [0.0] * 3 + [1.0] * 3 + [0.0] * 3 + [0.5] * 3, 1, False, False)
            check.same("tokens beside a chunk", found == check.expected[at].argmax(1).tolist())
        else:
            for row, logits in enumerate(program.decode_logits(tokens, at)):
                check.equal("rows beside others", logits.unsqueeze(0), at[row])
        at = [place + 1 for place in at]
    check.equal("after chunks beside steps", program.prefill_logits(ids[81:91], 3, 81, True), 81)
    program.set_pages(0, 0, program.tables[1].tolist())
    for place in range(30, 33):
        check.equal("steps alone in a copied slot", program.decode_logits([ids[place]], [place]), place)
    program.swap_slots(0, 2, TOKENS)
    for place in range(107, 112):
        check.equal("steps alone in a swapped slot", program.decode_logits([ids[place]], [place]), place)
    check.equal("a chunk in a swapped slot", program.prefill_logits(ids[33:50], 2, 33, True), 33)


def check_deterministic(check: Check, program, ids: list[int]) -> None:
    for slot, length in enumerate((20, 97, 140)):
        program.prefill(ids[:length], slot, 0)
    alone = program.decode_logits([ids[20]], [20])
    beside = program.decode_logits([ids[20], ids[97], ids[140]], [20, 97, 140])
    check.same("deterministic", torch.equal(alone[0], beside[0]))
    check.equal("deterministic rows", beside[2:], 140)


def run(name: str, file, seed: int) -> bool:
    model = random_model(name, seed)
    ids = torch.randint(3, 96, [TOKENS], generator=torch.Generator().manual_seed(seed)).tolist()
    check = Check(name, model(torch.tensor([ids])).logits[0])
    program = load(name, model, file)
    check.equal("a prompt", program.prefill_logits(ids, 0, 0, True), 0)
    check_rows(check, program, ids)
    check_deterministic(check, load(name, model, file, deterministic=True), ids)
    half = load(name, model, file, compute="bf16", cache="bf16").prefill_logits(ids, 0, 0, True)
    # Some rows get other experts.
    check.below("bf16, part of the spread", float((half - check.expected).square().mean().sqrt() / check.expected.std()), 0.3)
    print(name, "FAILED" if check.failed else "equal", {what: f"{worst:.1e}" for what, worst in check.worst.items()}, flush=True)
    return not check.failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(FAMILIES), metavar="NAME")
    parser.add_argument("--program", default=str(PROGRAMS / "dense.pt"))
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    with torch.inference_mode(), torch.jit.optimized_execution(False):
        results = [run(name, arguments.program, arguments.seed) for name in arguments.names or FAMILIES]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
