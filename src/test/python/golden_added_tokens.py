"""Writes src/test/resources/golden/added_tokens.json: what transformers makes of tokenizers whose added tokens have random
attributes and come from several files.

    python src/test/python/golden_added_tokens.py                     # the fixture
    python src/test/python/golden_added_tokens.py OUT.json SEED COUNT # others
    mvn test -Dtest=GoldenAddedTokensTest -DaddedTokens=OUT.json
"""

import json
import random
import sys
import tempfile
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

OUT = Path(__file__).resolve().parents[1] / "resources/golden/added_tokens.json"
WORDS = ["hello hello world", "now then, the mask", "a b c d e", "l'été 12 345", "some more text"]
SPLIT = r"(?i:'s|'t)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
NAMES = ["<a>", "<a><b>", "<|x|>", "<|end|>", "[M]", "ctl", "<mask>", "word", "<|user|>", "<é>", "[/M]"]
PIECES = NAMES + [" ", "  ", "\n", "hello", "world", " now", "a", "b", "e\u0301", "1", "日", "😀", "\ufdd0", "\ufdd1", "<", "|>"]
VOCABULARY = 300


def byte_level(random_):
    tokenizer = Tokenizer(models.BPE(ignore_merges=random_.random() < 0.5))
    tokenizer.normalizer = random_.choice([None, normalizers.NFC()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SPLIT), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(WORDS, trainers.BpeTrainer(
        vocab_size=VOCABULARY, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False,
        special_tokens=random_.sample(NAMES, random_.randrange(3))))
    return tokenizer


def sentence_piece(random_):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=random_.random() < 0.5))
    if random_.random() < 0.5:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(
            replacement="▁", prepend_scheme=random_.choice(["first", "always", "never"]), split=random_.random() < 0.5)
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(WORDS, trainers.BpeTrainer(
        vocab_size=VOCABULARY - 150, show_progress=False,
        special_tokens=["<unk>", "<s>", "</s>", *random_.sample(NAMES, random_.randrange(3))]))
    return tokenizer


def attributes(random_, name, special):
    flags = {flag: random_.random() < 0.3 for flag in ("lstrip", "rstrip", "single_word", "normalized")}
    return {"content": name, **flags, "special": special}


def files(random_):
    """tokenizer.json and tokenizer_config.json. Tokens are in the vocabulary, added, only in the configuration, or both."""
    tokenizer = json.loads(random_.choice([byte_level, sentence_piece])(random_).to_str())
    known = {token["content"] for token in tokenizer["added_tokens"]}
    for token in tokenizer["added_tokens"]:
        token.update(attributes(random_, token["content"], True))
    highest = len(tokenizer["model"]["vocab"]) - 1
    for name in random_.sample(NAMES, random_.randrange(1, 5)):
        if name not in known:
            highest += 1
            known.add(name)
            tokenizer["added_tokens"].append({"id": highest, **attributes(random_, name, random_.random() < 0.6)})
    # A control token in the middle of a word is plain text here, also where transformers takes the whole word for it.
    tokenizer["model"]["ignore_merges"] &= not any(token["single_word"] for token in tokenizer["added_tokens"])
    config = {"tokenizer_class": "PreTrainedTokenizerFast"}
    if random_.random() < 0.5:
        decoder = {str(token["id"]): {k: v for k, v in token.items() if k != "id"} for token in tokenizer["added_tokens"]}
        for token in decoder.values():
            if random_.random() < 0.3:
                token.update(attributes(random_, token["content"], token["special"]))
                tokenizer["model"]["ignore_merges"] = False
        for name in random_.sample(NAMES, 2):
            if name not in known:
                highest += 1
                known.add(name)
                tokenizer["model"]["ignore_merges"] = False
                decoder[str(highest)] = attributes(random_, name, random_.random() < 0.6)
        config["added_tokens_decoder"] = decoder
    if random_.random() < 0.5:
        config["additional_special_tokens"] = random_.sample(NAMES, 1)
    for key in ("bos_token", "eos_token", "pad_token"):
        if random_.random() < 0.6:
            config[key] = random_.choice(["<s>", "</s>", "<pad>", *sorted(known)])
    return tokenizer, config


def case(seed):
    random_ = random.Random(seed)
    tokenizer, config = files(random_)
    if "bos_token" in config and random_.random() < 0.6:
        config["add_bos_token"] = random_.random() < 0.5
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "tokenizer.json").write_text(json.dumps(tokenizer))
        Path(folder, "tokenizer_config.json").write_text(json.dumps(config))
        fast = AutoTokenizer.from_pretrained(folder)
    texts = []
    for _ in range(20):
        text = random_.choice(NAMES + [" ", "a"]) + "".join(random_.choice(PIECES) for _ in range(random_.randrange(12)))
        texts.append({"text": text, "ids": fast(text, add_special_tokens=False)["input_ids"]})
    begin = [token for token in fast("a")["input_ids"] if token not in fast("a", add_special_tokens=False)["input_ids"]]
    named = {key: str(value) for key, value in fast.special_tokens_map.items() if key.endswith("_token")}
    return {"name": f"seed {seed}", "tokenizer": tokenizer, "config": config, "size": len(fast) + 2, "begin": begin,
            "special": named, "texts": texts}


def main(arguments):
    out = Path(arguments[0]) if arguments else OUT
    seed, count = (int(arguments[1]), int(arguments[2])) if arguments else (1, 24)
    cases = [case(seed + number) for number in range(count)]
    out.write_text("[\n" + ",\n".join(json.dumps(one) for one in cases) + "\n]\n")


if __name__ == "__main__":
    main(sys.argv[1:])
