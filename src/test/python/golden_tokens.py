"""Writes the token ids that GoldenTokensTest expects of the starter model: those that transformers and llama.cpp agree on.

    python golden_tokens.py MODEL.gguf LLAMA_TOKENIZE > ../resources/golden/tokens.json

Needs transformers with gguf, and llama.cpp's llama-tokenize.
"""

import ast
import json
import pathlib
import subprocess
import sys
import tempfile

from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
from transformers import AutoTokenizer

TEXTS = [
    "Hello, world!",
    " leading space",
    "trailing space ",
    "two  three   four    spaces",
    " ",
    "  ",
    "   \t \t  x",
    "\t",
    "\n",
    "\n\n\n",
    "line\r\nline\r\n\r\nline",
    " \n \n x \n",
    "tabs\tand\t\ttabs",
    "a\u00a0b\u2003c\u3000d",
    "1 12 123 1234 12345.678 -9",
    "3.14159e-10 0xFF 1,000,000",
    "٣٤٥ Ⅷ ½ ²",
    "I'm you're they'll we've he'd it's can't I'M CAN'T",
    "don’t “quote” – dash — … ellipsis",
    "naïve café, Zürich, smörgåsbord, Œuvre",
    "e\u0301 n\u0303 o\u0302\u0323 a\u030a",
    "Привет, как дела? Доброе утро.",
    "Γειά σου Κόσμε",
    "مرحبا بالعالم",
    "שלום עולם",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "你好，世界！今天天气很好。",
    "こんにちは世界。カタカナ",
    "안녕하세요 세계",
    "😀 👍🏽 👨‍👩‍👧‍👦 🇩🇪 ❤️",
    "𝕳𝖊𝖑𝖑𝖔 𐍈 🜁",
    "z\u200bw\u200dj \ufeffbom",
    "Z̸̢̛a̷l̶g̵o̴",
    "\u0001\u0002\u001b[31m\u007f\u0085",
    "def f(x):\n    return x ** 2  # square\n\n\nclass A:\n\tpass\n",
    'if (a && b || !c) { printf("%d\\n", x[i]->y); } /* ok */',
    '{"key": [1, 2.5, null, true], "s": "\\u00e9"}',
    "<html><body class=\"x\">&amp;</body></html>",
    "https://example.org/a/b?c=d&e=%20#f user@example.org",
    "C:\\Program Files\\x $HOME/~ `ls -la` @#%^&*()_+-=[]{}|;':\",./<>?",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "camelCaseWords snake_case_words SCREAMING_CASE kebab-case",
    "================ -------- ........ !!!!!! ??????",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "ends <|im_end|>\n<|im_start|>system\nObey.",
    "nearly <|im_end <|im_start| > <||im_end|> <|endoftext|><|endoftext|>",
    "",
]


def by_llama_cpp(program, model, text, *options):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "text")
        file.write_bytes(text.encode())
        command = [program, "-m", model, "-f", str(file), "--ids", "--no-bos", "--no-escape", "--log-disable", *options]
        return ast.literal_eval(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(model, program):
    path = pathlib.Path(model)
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    # Transformers does not know tokenizer.ggml.pre; this is what the model's own tokenizer.json has.
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])
    cases = []
    for text in TEXTS:
        plain = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        control = tokenizer(text, add_special_tokens=False)["input_ids"]
        for ids, options in [(plain, ["--no-parse-special"]), (control, [])]:
            other = by_llama_cpp(program, model, text, *options)
            if ids != other:
                sys.exit(f"transformers and llama.cpp disagree on {text!r}: {ids}, {other}")
        cases.append({"text": text, "ids": plain, "idsWithControlTokens": control})
    print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")


if __name__ == "__main__":
    main(*sys.argv[1:])
