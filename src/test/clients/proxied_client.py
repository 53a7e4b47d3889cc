"""Streams as OpenAI's Python client and requests read them. The worker has the mock engine, which repeats the prompt.

usage: proxied_client.py BASE_URL, e.g. http://localhost:8080
"""

import json
import sys

import openai
import requests

BASE = sys.argv[1]
# Words of several bytes in UTF-8. The second has a byte 0x85, which is a line's end in Latin-1.
WORDS = "grüße 进入 😀 да"


def check(holds, what):
    if not holds:
        raise SystemExit(f"FAILED: {what}")


client = openai.OpenAI(base_url=BASE + "/v1", api_key="unused", max_retries=0, timeout=60)
chunks = list(
    client.chat.completions.create(
        model=client.models.list().data[0].id,
        messages=[{"role": "user", "content": WORDS}],
        max_tokens=30,
        stream=True,
        stream_options={"include_usage": True},
    )
)
text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
check(f"'{WORDS}'" in text, f"chat: {text!r}")
check([c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length", "finish_reason")
check(chunks[-1].usage.completion_tokens == 30, f"usage: {chunks[-1]}")

pieces = client.completions.create(model="mock", prompt=WORDS, max_tokens=30, stream=True)
check(f"'{WORDS}'" in "".join(c.choices[0].text for c in pieces if c.choices), "completion")

with requests.post(
    BASE + "/generate", json={"prompt": WORDS, "max_tokens": 30, "stream": True}, stream=True, timeout=60
) as answer:
    check(answer.status_code == 200, f"status {answer.status_code}")
    lines = [line for line in answer.iter_lines(decode_unicode=True) if line.startswith("data: ")]
events = [json.loads(line.removeprefix("data: ")) for line in lines]
check(events[-1] == {"done": True, "total_tokens": 30}, f"last event: {events[-1]}")
check(f"'{WORDS}'" in "".join(e.get("token", "") for e in events), f"requests: {lines}")
print("streams from", BASE, "are whole")
