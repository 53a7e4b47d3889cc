"""Answers to random schemas, from a real model at temperature 1.5: each answer that ended validates. One that `max_tokens` cuts
ends by its length.

usage: random_schemas.py BASE_URL NUMBER [SEED]
"""

import json
import random
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import openai

base, number = sys.argv[1], int(sys.argv[2])
seed = int(sys.argv[3]) if len(sys.argv) > 3 else 19
client = openai.OpenAI(base_url=base, api_key="unused", max_retries=2, timeout=300)
MODEL = client.models.list().data[0].id
MAX_TOKENS = 64


def scalar(rng):
    low = rng.randint(-50, 50)
    return rng.choice([
        {"type": "integer", "minimum": low, "maximum": low + rng.randint(0, 500)},
        {"type": "number", "exclusiveMinimum": low, "maximum": low + rng.randint(1, 9)},
        {"type": "integer", "multipleOf": rng.choice([2, 5, 10]), "minimum": 0, "maximum": 1000},
        {"type": "string", "minLength": rng.randint(0, 3), "maxLength": rng.randint(3, 12)},
        {"type": "string", "pattern": rng.choice(["^[a-z]{2,8}$", "^\\d{3}-\\d{4}$", "^(yes|no|maybe)$", "[aeiou]{2}"]), "maxLength": 12},
        {"type": "string", "format": rng.choice(["date", "time", "ipv4", "uuid"])},
        {"enum": rng.sample(["red", "green", 7, None, True, [1], {"a": 1}], 3)},
        {"const": rng.choice(["x", 3, False, None])},
        {"type": "boolean"},
        {"type": ["string", "null"], "maxLength": 6},
    ])


def schema(rng, depth):
    if depth == 0:
        return scalar(rng)
    kind = rng.randrange(4)
    if kind == 0:
        return scalar(rng)
    if kind == 1:
        return {"type": "array", "items": schema(rng, depth - 1), "minItems": rng.randint(0, 1), "maxItems": rng.randint(1, 3)}
    if kind == 2:
        return {"anyOf": [schema(rng, depth - 1) for _ in range(rng.randint(2, 3))]}
    names = rng.sample(["name", "size", "tags", "x-1", "é", "a b"], rng.randint(1, 3))
    return {
        "type": "object",
        "properties": {name: schema(rng, depth - 1) for name in names},
        "required": [name for name in names if rng.random() < 0.7],
        "additionalProperties": False,
    }


def answer(index):
    rng = random.Random(seed * 1_000_003 + index)
    asked = schema(rng, 3)
    choice = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Give me an example."}],
        response_format={"type": "json_schema", "json_schema": {"name": "example", "schema": asked}},
        temperature=1.5,
        seed=index,
        max_completion_tokens=MAX_TOKENS,
    ).choices[0]
    if choice.finish_reason == "stop":
        try:
            checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
            jsonschema.Draft202012Validator(asked, format_checker=checker).validate(json.loads(choice.message.content))
        except (json.JSONDecodeError, jsonschema.ValidationError) as e:
            raise SystemExit(f"FAILED: seed {seed}, schema {index}: {json.dumps(asked)}\n{choice.message.content}\n{e}") from e
    return choice.finish_reason


with ThreadPoolExecutor(8) as threads:
    reasons = Counter(threads.map(answer, range(number)))
if set(reasons) - {"stop", "length"} or reasons["stop"] < number // 2:
    raise SystemExit(f"FAILED: {reasons}")
print(f"{number} random schemas: {reasons['stop']} answers validate, {reasons['length']} were cut by max_tokens")
