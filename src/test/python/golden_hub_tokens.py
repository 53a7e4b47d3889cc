"""Writes src/test/resources/golden/hub_tokens.json: the ids that transformers gives tricky texts, by small tokenizers of
each kind that Llama, Mistral and Qwen have.

    python src/test/python/golden_hub_tokens.py                        # transformers
    python src/test/python/golden_hub_tokens.py OUT.json FOLDER...     # real ones: tokenizer.json, tokenizer_config.json
    mvn test -Dtest=GoldenHubTokensTest -DhubTokens=OUT.json
"""

import json
import sys
import tempfile
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from golden_tokens import TEXTS

OUT = Path(__file__).resolve().parents[1] / "resources/golden/hub_tokens.json"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN = LLAMA3.replace("{1,3}", "")
MORE = [
    "<s>[INST] Hi [/INST] Hello</s><s>[INST]  two spaces [/INST]",
    "</s> after <s> and <unk> between",
    "<s></s><s>",
    "<tool_call>\n{\"name\": \"f\"}\n</tool_call> <think>",
    "▁ is a letter here ▁▁",
    "<0x41> is no byte",
]


def trained(tokenizer, specials, **more):
    tokenizer.train_from_iterator(TEXTS * 3, trainers.BpeTrainer(vocab_size=600, special_tokens=specials, **more))
    return tokenizer


def begins_with(tokenizer, token):
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{token} $A", special_tokens=[(token, tokenizer.token_to_id(token))])


def sentence_piece(pre_tokenizer, normalizer, decoder):
    """As Llama 2's converter makes it: unknown characters become bytes, which training does not know of."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = normalizer, pre_tokenizer, decoder
    bytes_ = [f"<0x{b:02X}>" for b in range(256)]
    trained(tokenizer, ["<unk>", "<s>", "</s>", *bytes_], limit_alphabet=120)
    config = json.loads(tokenizer.to_str())
    config["added_tokens"] = [token for token in config["added_tokens"] if token["content"] not in bytes_]
    tokenizer = Tokenizer.from_str(json.dumps(config))
    begins_with(tokenizer, "<s>")
    return tokenizer


def llama2():
    normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    # Trained on words, for merges; used on whole texts, as the model's is.
    tokenizer = sentence_piece(pre_tokenizers.Split("▁", "merged_with_next"), normalizer, decoder)
    tokenizer.pre_tokenizer = None
    return tokenizer


def mistral():
    pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return sentence_piece(pre_tokenizer, None, decoder)


def byte_level(pattern, specials, added, ignore_merges, normalizer=None):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trained(tokenizer, [], initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.add_special_tokens(specials)
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in added])
    return tokenizer


def llama3():
    tokenizer = byte_level(LLAMA3, ["<|begin_of_text|>", "<|im_start|>", "<|im_end|>", "<|eot_id|>"], [], True)
    begins_with(tokenizer, "<|begin_of_text|>")
    return tokenizer


def qwen():
    added = ["<tool_call>", "</tool_call>", "<think>"]
    return byte_level(QWEN, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], added, False, normalizers.NFC())


def case(name: str, tokenizer: Tokenizer, config: dict) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "tokenizer.json")
        tokenizer.save(str(file))
        fast = PreTrainedTokenizerFast(tokenizer_file=str(file))
    texts = []
    for text in TEXTS + MORE:
        plain = fast(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        control = fast(text, add_special_tokens=False)["input_ids"]
        texts.append({"text": text, "ids": plain, "idsWithControlTokens": control})
    begin = fast("a")["input_ids"][: len(fast("a")["input_ids"]) - len(fast("a", add_special_tokens=False)["input_ids"])]
    return {
        "name": name,
        "tokenizer": json.loads(tokenizer.to_str()),
        "config": config,
        "size": tokenizer.get_vocab_size() + 5,
        "begin": begin,
        "texts": texts,
    }


def main(arguments: list[str]) -> None:
    if arguments:
        out, folders = Path(arguments[0]), arguments[1:]
        cases = [
            case(folder, Tokenizer.from_file(f"{folder}/tokenizer.json"), json.loads(Path(folder, "tokenizer_config.json").read_text()))
            for folder in folders
        ]
    else:
        out = OUT
        llama = {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
        fast = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>"}
        cases = [
            case("Llama 2", llama2(), llama),
            case("Mistral", mistral(), llama),
            case("Llama 3", llama3(), {**fast, "eos_token": {"content": "<|eot_id|>"}}),
            case("Qwen", qwen(), {"tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "eos_token": "<|im_end|>"}),
        ]
    out.write_text("[\n" + ",\n".join(json.dumps(one) for one in cases) + "\n]\n")


if __name__ == "__main__":
    main(sys.argv[1:])
