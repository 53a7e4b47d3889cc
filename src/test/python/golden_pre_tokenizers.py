"""Writes src/test/resources/golden/pre_tokenizers.json: how each `tokenizer.ggml.pre` splits texts.

    python src/test/python/golden_pre_tokenizers.py FOLDER     # the folder of real_tokenizers.py

The vocabularies are small, and their merges cross all borders: another split gives other ids. The ids are llama.cpp's. It
does not normalise texts, so those that a model's own tokenizer composes are composed here. For three patterns llama.cpp has
approximations; there the ids are those that the Hugging Face tokenizers give by the models' own expressions. Texts with
U+2003 are left out: llama.cpp's expressions for DeepSeek do not take it for white space.
"""

import json
import struct
import sys
import tempfile
import unicodedata
import zlib
from pathlib import Path

import gguf
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from real_tokenizers import LlamaCpp, write_texts
from sample_texts import texts

OUT = Path(__file__).resolve().parents[1] / "resources/golden/pre_tokenizers.json"
AS_IT_IS = """gpt-2 phi-2 exaone4 a.x-4.0 mellum trillion granite-docling jais gigachat default falcon smollm starcoder refact codeshell
exaone minerva-7b mellum2 llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 smaug-bpe dbrx chatglm-bpe glm4 minicpm5
deepseek-r1-qwen megrez kormo stablelm2 hunyuan solar-open grok-2 ufakzeka laguna seed-coder bailingmoe bailingmoe2 llada-moe tekken
gpt-4o llama4 kanana2 talkie minimax-m2 deepseek-llm deepseek-coder deepseek-v3 hunyuan-dense joyai-llm hy_v4 viking bloom poro-chat
gpt3-finnish superbpe""".split()
COMPOSED = ["olmo", "mpt", "command-r", "qwen2", "f2llmv2", "qwen35"]
CASED = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+END"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*END"
         r"|NUMBER| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEKKEN = CASED.replace("END", "").replace("NUMBER", r"\p{N}")
GPT4O = CASED.replace("END", "(?i:'s|'t|'re|'ve|'m|'ll|'d)?").replace("NUMBER", r"\p{N}{1,3}")
APPROXIMATED = {"tekken": [TEKKEN], "superbpe": [r"\p{N}+", r"(?=(\d{3})+(?!\d))"],
                **dict.fromkeys(["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], [GPT4O])}
# Newer than the build of llama.cpp that is asked: its source splits these alike.
ASKED_AS = {"glm4": "llama-bpe"}
COUNT, SEED, SIZE = 260, 11, 1500
# So many words are tokens that no merges make: some tokenizers take a word that is one whole.
WHOLE = 60


def trained(tokenizer, made, alphabet):
    """The merges of a vocabulary that knows no words: they may join anything within a text."""
    trainer = trainers.BpeTrainer(vocab_size=SIZE, initial_alphabet=alphabet, max_token_length=12, special_tokens=[])
    tokenizer.train_from_iterator(made, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    merged = {merge.replace(" ", "", 1) for merge in merges}
    letters = [name for name in sorted(model["vocab"], key=model["vocab"].get) if name not in merged]
    return letters, merges


def byte_level(made):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    letters, merges = trained(tokenizer, made, pre_tokenizers.ByteLevel.alphabet())
    known = {*letters, *(merge.replace(" ", "", 1) for merge in merges)}
    words = [word for text in made for word, _ in pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str(text)]
    whole = [word for word in dict.fromkeys(words) if len(word) > 3 and word not in known]
    return {"letters": letters + whole[:WHOLE], "merges": merges}


def pieces(made):
    """Gemma 4's: the merges join anything but line breaks with other characters."""
    tokenizer = Tokenizer(models.BPE())
    lines = [line.replace(" ", "▁") for text in made for line in text.split("\n")] + ["\n" * 8, "\n" * 5]
    letters, merges = trained(tokenizer, lines, ["▁", "\n"])
    rare = {letter for letter in letters if ord(letter) > 0x2000 and letter != "▁" or letter == "\0"}
    merges = [merge for merge in merges if not rare & set(merge)]
    return {"letters": [letter for letter in letters if letter not in rare], "merges": merges}


def names(vocabulary):
    """All tokens: control tokens, byte tokens of pieces, letters, what the merges make."""
    made = vocabulary["letters"] + [merge.replace(" ", "", 1) for merge in vocabulary["merges"]]
    return list(dict.fromkeys(vocabulary["first"] + made))


def write_gguf(file, model, pre, vocabulary):
    writer = gguf.GGUFWriter(file, "llama")
    tokens = names(vocabulary)
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([6 if name.startswith("<0x") else 3 if name in ("<s>", "</s>") else 1 for name in tokens])
    writer.add_token_merges(vocabulary["merges"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    for add in (writer.add_context_length, writer.add_embedding_length, writer.add_block_count, writer.add_feed_forward_length,
                writer.add_head_count, writer.add_rope_dimension_count):
        add(16)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def by_expressions(patterns, vocabulary, made, whole):
    tokens = {name: i for i, name in enumerate(names(vocabulary))}
    merges = [tuple(merge.split(" ")) for merge in vocabulary["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=tokens, merges=merges, ignore_merges=whole))
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    return [tokenizer.encode(text).ids for text in made]


def main(folder: str) -> None:
    made = [text for text in texts(COUNT, SEED) if "\u2003" not in text]
    composed = [unicodedata.normalize("NFC", text) for text in made]
    vocabularies = {"gpt2": {"first": ["<s>", "</s>"], **byte_level(made)},
                    "gemma4": {"first": ["<s>", "</s>", *(f"<0x{value:02X}>" for value in range(256))], **pieces(made)}}
    llama_cpp, groups = LlamaCpp(Path(folder).resolve()), {}
    for pre in [*AS_IT_IS, *COMPOSED, "gemma4"]:
        model = "gemma4" if pre == "gemma4" else "gpt2"
        input_ = composed if pre in COMPOSED else made
        if pre in APPROXIMATED:
            found = by_expressions(APPROXIMATED[pre], vocabularies[model], input_, pre == "tekken")
        else:
            with tempfile.TemporaryDirectory() as work:
                file = Path(work, "model.gguf")
                write_gguf(file, model, ASKED_AS.get(pre, pre), vocabularies[model])
                write_texts(Path(work, "texts"), input_)
                found = llama_cpp.ids(file, Path(work, "texts"))[0][::2]
        hashes = "".join(f"{zlib.crc32(struct.pack(f'<{len(ids)}i', *ids)):08x}" for ids in found)
        groups.setdefault((model, hashes), []).append(pre)
    cases = [{"model": model, "names": pres, "hashes": hashes} for (model, hashes), pres in groups.items()]
    lines = [f'"texts": {json.dumps(made)}', f'"vocabularies": {json.dumps(vocabularies)}',
             '"cases": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]"]
    OUT.write_text("{" + ",\n".join(lines) + "}\n")
    print(*(case["names"] for case in cases), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1])
