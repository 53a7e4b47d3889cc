"""Compares the token masks of structured output with those of llguidance, on real vocabularies.

    python src/test/constraint/oracle.py CLASSPATH VOCABULARY...

A vocabulary is a `tokenizer.json` or a GGUF file. For each schema and each prefix of several valid answers, both masks must
be equal, but for the deviations that DEVIATIONS lists with their reasons. Then random walks through the masks must end in
JSON that `jsonschema` accepts. Needs Python with llguidance, jsonschema, rfc3339-validator, numpy; for GGUF files gguf.
`--write-vocabulary FILE` writes the vocabulary for ConstraintBenchmark instead.
"""

import argparse
import collections
import json
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

import jsonschema
import numpy
from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper

SCHEMAS = pathlib.Path(__file__).parent.parent / "resources" / "constraint" / "schemas.json"
SCHEMA_COUNT = 200
# Java 25, that of JAVA_HOME if it is set.
JAVA = os.path.join(os.environ["JAVA_HOME"], "bin", "java") if "JAVA_HOME" in os.environ else "java"
WALKS = 1000
SEED = 19
CONTROL = 0xFFFF
# Our white space between two elements; without this, llguidance allows any amount.
SPACE = r"\x20|\r?\n[\x20\t]{0,40}"

# Why a token may be in one mask only: the reason, whether it is in ours, a pattern of the schemas where that is so, and a pattern
# of the text with the token, which must match something that ends within the token.
DEVIATIONS = [
    ("JSON allows an escaped slash, and models write it", True, r"", rb"(?<!\\)(?:\\\\)*\\/"),
    ("a dot is no end of a line, as ECMA-262 has it", False, r'"pattern".*\.', rb"\\r|\xe2"),
    ("white space of a pattern is ASCII, where all dialects agree", False, r'"pattern".*\\s', rb"[\xc2\xe1\xe2\xe3]"),
    ("llguidance escapes a quote that a pattern excludes", False, r'"pattern".*\[\^', rb"\\[\"\\]"),
    ("names with a pattern have the escapes that they need", False, r'"patternProperties".*"additionalProperties": \{', rb"\\u"),
    ("listed values have the short escapes only", False, r'"enum".*\\t', rb"\\u"),
    ("validators reject the 60th second, a small z, and far zones", False, r'"(date-)?time"', rb":6|[tz]|[+-](1[89]|2)"),
    ("the 29th of February is of leap years; no year is 0000", False, r'"format": "date', rb"-29|-2$|-0*2-2|0000"),
    ("an address is at a host name", False, r'"format": "email"', rb"@\["),
    ("a part of a host name has 63 characters at most", False, r'"format": "email"', rb"[\w-]{60}"),
    ("hosts of the future are none", False, r'"format": "uri"', rb"\[v"),
    ("a number at its bound may have zeros at its end", True, r'"(min|max)imum": -?\d+\.', rb"\.\d*0"),
    ("a number may have fewer decimals than its bound", True, r'"(min|max)imum": -?\d+\.', rb""),
    ("a multiple may have fewer decimals than its divisor", True, r'"multipleOf": 0\.', rb""),
]


class Vocabulary:
    """The tokens of a model as bytes; none for control tokens."""

    def __init__(self, path):
        if path.endswith(".gguf"):
            self.tokens, self.controls, self.eos_token_id = read_gguf(path)
        else:
            tokenizer = LLTokenizer(open(path, encoding="utf-8").read())
            ids = range(tokenizer.vocab_size)
            self.controls = {i for i in ids if tokenizer.is_special_token(i)}
            self.tokens = [tokenizer.decode_bytes([i]) for i in ids]
            self.eos_token_id = tokenizer.eos_token
        self.bos_token_id = None
        self.special_token_ids = sorted(self.controls)
        self.by_bytes = {}
        for i, token in enumerate(self.tokens):
            if i not in self.controls and token:
                self.by_bytes.setdefault(token, i)
        self.longest = max(map(len, self.by_bytes))

    def __call__(self, text):
        """The longest tokens, one after the other."""
        data = text.encode() if isinstance(text, str) else text
        ids, at = [], 0
        while at < len(data):
            length = next(n for n in range(self.longest, 0, -1) if data[at : at + n] in self.by_bytes)
            ids.append(self.by_bytes[data[at : at + length]])
            at += length
        return ids

    def write(self, file):
        file.write(struct.pack(">II", len(self.tokens), self.eos_token_id))
        for i, token in enumerate(self.tokens):
            if i in self.controls:
                file.write(struct.pack(">H", CONTROL))
            else:
                file.write(struct.pack(">H", len(token)) + token)
        file.flush()


def read_gguf(path):
    """The tokens of a byte-level vocabulary."""
    from gguf import GGUFReader

    fields = GGUFReader(path).fields
    names = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {chr(b): b for b in printable}
    for n, b in enumerate(b for b in range(256) if b not in printable):
        alphabet[chr(256 + n)] = b
    controls = {i for i, kind in enumerate(kinds) if kind == 3}
    tokens = [b"" if i in controls else bytes(alphabet[c] for c in name) for i, name in enumerate(names)]
    return tokens, controls, fields["tokenizer.ggml.eos_token_id"].contents()


class Ours:
    """MaskServer in a process of its own."""

    def __init__(self, classpath, vocabulary):
        self.words = (len(vocabulary.tokens) + 63) // 64
        with tempfile.NamedTemporaryFile() as file:
            vocabulary.write(file)
            self.process = subprocess.Popen(
                [JAVA, "-cp", classpath, "dev.llmworker.constraint.MaskServer", file.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self.ask("begin")

    def ask(self, line):
        self.send(line)
        answer = self.process.stdout.readline().decode().rstrip("\n")
        if not answer:
            raise RuntimeError(f"MaskServer ended at {line}")
        return answer

    def send(self, line):
        self.process.stdin.write((line + "\n").encode())
        self.process.stdin.flush()

    def mask(self):
        self.send("mask")
        return numpy.frombuffer(self.process.stdout.read(8 * self.words), dtype=numpy.uint8)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class RandomSchema:
    """Schemas as agents write them, each with valid values in the schema's order."""

    WORDS = ["id", "name", "first_name", "age", "price", "tags", "items", "is_active", "city", "zip", "x", "y"]

    def __init__(self, seed):
        self.random = random.Random(seed)

    def schema(self, depth=0):
        kinds = ["string", "integer", "number", "boolean", "enum", "limited", "range"]
        kinds += ["object", "array", "anyOf", "nullable"] * (3 if depth == 0 else 1 if depth < 3 else 0)
        return getattr(self, self.random.choice(kinds))(depth)

    def string(self, _):
        return {"type": "string"}, lambda: self.random.choice(["", "a b", 'q"q', "\u00e9\u6f22\U0001f600", "line\nbreak \\"])

    def limited(self, _):
        least = self.random.randint(0, 3)
        most = least + self.random.randint(0, 6)
        schema = {"type": "string", "minLength": least, "maxLength": most}
        return schema, lambda: "".join(self.random.choices("abc \u6f22", k=self.random.randint(least, most)))

    def integer(self, _):
        return {"type": "integer"}, lambda: self.random.choice([0, -7, 12, 123456])

    def range(self, _):
        least = self.random.randint(-200, 200)
        most = least + self.random.randint(0, 2000)
        return {"type": "integer", "minimum": least, "maximum": most}, lambda: self.random.randint(least, most)

    def number(self, _):
        return {"type": "number"}, lambda: self.random.choice([0, -1.5, 3e20, 12.75])

    def boolean(self, _):
        return {"type": "boolean"}, lambda: self.random.random() < 0.5

    def enum(self, _):
        values = self.random.sample(["red", "green", "grey", "blue", "r", "", "a \"b\""], self.random.randint(1, 5))
        return {"enum": values}, lambda: self.random.choice(values)

    def nullable(self, depth):
        schema, value = self.schema(depth + 1)
        if not isinstance(schema.get("type"), str):
            return schema, value
        return schema | {"type": [schema["type"], "null"]}, lambda: None if self.random.random() < 0.3 else value()

    def anyOf(self, depth):
        options = [self.schema(depth + 1) for _ in range(self.random.randint(2, 3))]
        return {"anyOf": [schema for schema, _ in options]}, lambda: self.random.choice(options)[1]()

    def array(self, depth):
        schema, value = self.schema(depth + 1)
        least = self.random.randint(0, 2)
        most = least + self.random.randint(0, 3)
        full = {"type": "array", "items": schema}
        if self.random.random() < 0.5:
            full |= {"minItems": least, "maxItems": most}
        return full, lambda: [value() for _ in range(self.random.randint(least, most))]

    def object(self, depth):
        names = self.random.sample(self.WORDS, self.random.randint(0, 5))
        parts = {name: self.schema(depth + 1) for name in names}
        required = [name for name in names if self.random.random() < 0.6]
        schema = {"type": "object", "properties": {name: part[0] for name, part in parts.items()}, "required": required}
        if self.random.random() < 0.8:
            schema["additionalProperties"] = False

        def value():
            chosen = [name for name in names if name in required or self.random.random() < 0.5]
            return {name: parts[name][1]() for name in chosen}

        return schema, value


def cases():
    """Schemas with valid values: the hand-written ones, then generated ones."""
    written = [(case["schema"], case["valid"]) for case in json.loads(SCHEMAS.read_text())]
    made = RandomSchema(SEED)
    while len(written) < SCHEMA_COUNT:
        schema, value = made.object(0)
        written.append((schema, [value() for _ in range(3)]))
    return written


def texts(values):
    """The values as models write them: in one line, in one line with spaces, and indented."""
    for i, value in enumerate(values):
        styles = [{"separators": (",", ":")}, {}, {"indent": 2}]
        yield json.dumps(value, ensure_ascii=False, **styles[i % len(styles)])


def deviation(schema, only_ours, before, token):
    for name, in_ours, schemas, pattern in DEVIATIONS:
        if in_ours == only_ours and re.search(schemas, schema):
            if not token or any(m.end() > len(before) for m in re.finditer(pattern, before + token)):
                return name
    return None


def matcher(tokenizer, schema):
    options = {"whitespace_pattern": SPACE, "json_allow_general_unicode_escapes": True}
    schema = {} if schema is True else schema
    return LLMatcher(tokenizer, LLMatcher.grammar_from_json_schema(json.dumps(schema), overrides=options))


def has(mask, token):
    return bool(mask[token // 8] >> (token % 8) & 1)


def bits(mask):
    return [8 * i + bit for i in mask.nonzero()[0].tolist() for bit in range(8) if mask[i] >> bit & 1]


def agrees(token, forced):
    return forced.startswith(token) or token.startswith(forced)


def compare_text(schema, ours, theirs, vocabulary, text, counts):
    """Compares the masks at each token of an answer; returns the first unexplained difference."""
    ours.ask("begin")
    before = b""
    for token in [*vocabulary(text), None]:
        own = ours.mask()
        other = numpy.frombuffer(theirs.compute_bitmask(), dtype=numpy.uint8)
        size = min(len(own), len(other))
        different = bits(own[:size] ^ other[:size])
        counts["masks"] += 1
        unexplained = []
        forced = theirs.compute_ff_bytes()
        if forced and different and all(agrees(vocabulary.tokens[i], forced) for i in bits(own)):
            # Where only one text can follow, llguidance allows one token of it, and we each one that agrees with the text.
            counts["masks where only one text can follow"] += 1
            different = [i for i in different if not has(own, i)]
        for i in different:
            only_ours = has(own, i)
            name = deviation(schema, only_ours, before, vocabulary.tokens[i])
            counts[name] += 1
            if name is None:
                unexplained.append(("ours" if only_ours else "theirs", vocabulary.tokens[i]))
        if unexplained:
            return before, unexplained
        if token is None:
            return None
        if ours.ask(f"token {token}") != "ok":
            return before, [("rejected by ours", vocabulary.tokens[token])]
        if not theirs.consume_token(token):
            return before, [("rejected by theirs", vocabulary.tokens[token])]
        before += vocabulary.tokens[token]
    return None


def compare(ours, tokenizer, vocabulary, counts):
    failures = 0
    for schema, values in cases():
        answer = ours.ask("schema LIMITED " + json.dumps(schema))
        theirs = matcher(tokenizer, schema)
        if answer != "ok" or theirs.is_error():
            counts["not compared: " + ("llguidance has no answer" if answer == "ok" else answer)] += 1
            print("not compared:", json.dumps(schema)[:150], answer, theirs.get_error()[:150])
            continue
        written = json.dumps(schema)
        for text in texts(values):
            theirs.reset()
            difference = compare_text(written, ours, theirs, vocabulary, text, counts)
            if difference:
                failures += 1
                before, tokens = difference
                print("DIFFERENT", json.dumps(schema)[:300])
                print("   after", before, len(tokens), "tokens, such as", tokens[:6])
                break
    return failures


def walk(ours, counts):
    failures = 0
    schemas = [schema for schema, _ in cases()]
    for i in range(WALKS):
        schema = schemas[i % len(schemas)]
        if ours.ask("schema LIMITED " + json.dumps(schema)) != "ok":
            continue
        answer = ours.ask(f"walk {SEED + i} {i % 40} 3000")
        if answer == "cut":
            counts["walks cut"] += 1
            continue
        counts["walks"] += 1
        try:
            value = json.loads(bytes.fromhex(answer).decode())
            validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
            validator.validate(value)
        except (ValueError, jsonschema.ValidationError) as e:
            failures += 1
            print("INVALID", json.dumps(schema)[:300], bytes.fromhex(answer)[:300], str(e)[:200])
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write-vocabulary")
    parser.add_argument("classpath")
    parser.add_argument("vocabularies", nargs="+")
    arguments = parser.parse_args()
    if arguments.write_vocabulary:
        with open(arguments.write_vocabulary, "wb") as file:
            Vocabulary(arguments.vocabularies[0]).write(file)
        return
    failures = 0
    for path in arguments.vocabularies:
        counts = collections.Counter()
        vocabulary = Vocabulary(path)
        tokenizer = LLTokenizer(TokenizerWrapper(vocabulary))
        ours = Ours(arguments.classpath, vocabulary)
        failures += compare(ours, tokenizer, vocabulary, counts)
        if path == arguments.vocabularies[0]:
            failures += walk(ours, counts)
        ours.close()
        print(f"{path}: {len(vocabulary.tokens)} tokens")
        for name, count in counts.items():
            print(f"  {count:8} {name}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
