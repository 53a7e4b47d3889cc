"""Writes src/test/resources/golden/text_vectors.json: the ids and the vectors that transformers makes of texts in float32, by tiny
folders of Qwen3-Embedding and EmbeddingGemma with tokenizers of their own.

    python src/test/python/golden_text_vectors.py    # torch, transformers 4.57.1

The tokenizers are small, but have what the real ones have: the tokens that they put around a text come from `tokenizer.json`, and
the end-of-sequence token of Qwen3-Embedding's configuration is another one. The weights are computed, as in golden_architectures.py.
"""

import json
import tempfile
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, Gemma3TextConfig, Qwen3Config

from golden_architectures import grouped, value
from golden_hub_tokens import qwen, trained

OUT = Path(__file__).resolve().parents[1] / "resources/golden/text_vectors.json"
TEXTS = [
    "Tell me about load balancing",
    "A load balancer spreads requests. An apple is a fruit.",
    "task: search result | query: Wie geht es dir? Größe, naïve, 北京, 🙂",
    "Cafe\u0301 <|endoftext|> <eos> 12345\n\n  two spaces",
    "x",
]
WINDOW = 20
SMALL = dict(
    hidden_size=32, intermediate_size=64, num_attention_heads=4, num_key_value_heads=2, num_hidden_layers=6, head_dim=16,
    max_position_embeddings=256, tie_word_embeddings=True,
)  # fmt: skip


def ends_texts(tokenizer: Tokenizer, single: str) -> Tokenizer:
    tokens = [token for token in single.split() if token != "$A"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single, special_tokens=[(token, tokenizer.token_to_id(token)) for token in tokens]
    )
    return tokenizer


def gemma_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    trained(tokenizer, ["<pad>", "<eos>", "<bos>", "<unk>", *bytes_], limit_alphabet=120)
    config = json.loads(tokenizer.to_str())
    config["added_tokens"] = [token for token in config["added_tokens"] if token["content"] not in bytes_]
    return ends_texts(Tokenizer.from_str(json.dumps(config)), "<bos> $A <eos>")


def weights(shapes: dict[str, tuple]) -> tuple[dict[str, torch.Tensor], dict[str, list]]:
    tensors, described = {}, {}
    for name, shape in shapes.items():
        base, scale = (1, 0.25) if "norm" in name else (0, 0.25)
        count = torch.Size(shape).numel()
        tensors[name] = torch.from_numpy(value(name, count, base, scale)).view(shape).contiguous()
        described[name] = [base, scale, *shape]
    return tensors, described


def case(name: str, model_class: type, config, tokenizer: Tokenizer, tokenizer_config: dict, dense: list[int]) -> dict:
    config.architectures = [model_class.__name__]
    model = model_class(config).eval()
    tensors, described = weights({name: tuple(w.shape) for name, w in model.state_dict().items()})
    model.load_state_dict(tensors)
    sizes = [config.hidden_size, *dense]
    after, of_matrices = weights({f"{i + 2}_Dense/linear.weight": (sizes[i + 1], sizes[i]) for i in range(len(dense))})
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save(folder + "/tokenizer.json")
        Path(folder, "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
        config.save_pretrained(folder)
        encode = AutoTokenizer.from_pretrained(folder)
        written = json.loads(Path(folder, "config.json").read_text())
    if "use_bidirectional_attention" in written:
        # transformers halves the window when it reads a file.
        written["sliding_window"] = WINDOW
    ids, vectors = [], []
    for text in TEXTS:
        ids.append(encode(text)["input_ids"])
        with torch.inference_mode():
            rows = model(torch.tensor([ids[-1]]), use_cache=False).last_hidden_state[0]
        vector = rows.mean(0) if dense else rows[-1]
        for matrix in after.values():
            vector = matrix @ vector
        vectors.append([round(float(number), 6) for number in vector / vector.norm()])
    return {
        "name": name,
        "config": written,
        "tokenizer": json.loads(tokenizer.to_str()),
        "tokenizerConfig": tokenizer_config,
        "tensors": grouped(described | of_matrices),
        "texts": TEXTS,
        "ids": ids,
        "vectors": vectors,
    }


def main() -> None:
    torch.set_num_threads(1)
    own = ends_texts(qwen(), "$A <|endoftext|>")
    qwen_config = Qwen3Config(vocab_size=own.get_vocab_size(), rope_theta=1e6, **SMALL)
    theirs = gemma_tokenizer()
    gemma_config = Gemma3TextConfig(
        vocab_size=theirs.get_vocab_size(), sliding_window=WINDOW, query_pre_attn_scalar=16, use_bidirectional_attention=True, **SMALL
    )
    cases = [
        case("Qwen3-Embedding", transformers.Qwen3Model, qwen_config, own,
             {"tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}, []),
        case("EmbeddingGemma", transformers.Gemma3TextModel, gemma_config, theirs,
             {"tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>",
              "pad_token": "<pad>", "add_bos_token": True, "add_eos_token": True}, [48, 32]),
    ]  # fmt: skip
    OUT.write_text("[\n" + ",\n".join(json.dumps(one) for one in cases) + "\n]\n")


if __name__ == "__main__":
    main()
