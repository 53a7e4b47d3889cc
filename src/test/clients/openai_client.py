"""OpenAI's own Python client against the worker: answers, streams, usage, log-probabilities, errors, a client that leaves.

usage: openai_client.py BASE_URL, e.g. http://localhost:8080/v1
"""

import sys
import time
import urllib.request

import openai

BASE = sys.argv[1]
client = openai.OpenAI(base_url=BASE, api_key="unused", max_retries=0, timeout=60)
QUESTION = [{"role": "user", "content": "Name three colours."}]


def check(holds, what):
    if not holds:
        raise SystemExit(f"FAILED: {what}")


model = client.models.list().data[0].id
check(client.models.retrieve(model).id == model, "the model is found by its id")

chat = client.chat.completions.create(model=model, messages=QUESTION, max_completion_tokens=24, temperature=0)
text = chat.choices[0].message.content
check(chat.object == "chat.completion" and chat.choices[0].message.role == "assistant" and text, f"chat: {chat}")
check(chat.usage.total_tokens == chat.usage.prompt_tokens + chat.usage.completion_tokens, f"usage: {chat.usage}")
check(chat.usage.completion_tokens <= 24, f"usage: {chat.usage}")

chunks = list(
    client.chat.completions.create(
        model=model,
        messages=QUESTION,
        max_completion_tokens=24,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
)
streamed = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
check(streamed == text, f"streamed {streamed!r}, whole {text!r}")
check(chunks[-1].usage.completion_tokens == chat.usage.completion_tokens, f"usage of a stream: {chunks[-1]}")
check([c.choices[0].finish_reason for c in chunks if c.choices][-1] == chat.choices[0].finish_reason, "finish_reason")

parts = [{"role": "user", "content": [{"type": "text", "text": "Name three colours."}]}]
again = client.chat.completions.create(model=model, messages=parts, max_completion_tokens=24, temperature=0)
check(again.choices[0].message.content == text, "text parts are the same question")

seeded = [
    client.chat.completions.create(
        model=model, messages=QUESTION, max_tokens=16, temperature=1, seed=7, presence_penalty=0.5, frequency_penalty=0.5
    )
    .choices[0]
    .message.content
    for _ in range(2)
]
check(seeded[0] == seeded[1], f"a seed reproduces: {seeded}")

scored = client.chat.completions.create(
    model=model, messages=QUESTION, max_tokens=4, temperature=0, logprobs=True, top_logprobs=3
)
tokens = scored.choices[0].logprobs.content
check(all(len(t.top_logprobs) == 3 and t.logprob <= 0 for t in tokens), f"logprobs: {tokens}")
check("".join(t.token for t in tokens) == scored.choices[0].message.content, f"tokens: {tokens}")

plain = client.completions.create(model=model, prompt="The capital of France is", max_tokens=8, temperature=0)
check("Paris" in plain.choices[0].text, f"completion: {plain}")
until = client.completions.create(model=model, prompt="1, 2, 3, 4,", max_tokens=30, temperature=0, stop=["8"])
check("8" not in until.choices[0].text and until.choices[0].finish_reason == "stop", f"stop: {until}")
counted = client.completions.create(model=model, prompt="1, 2, 3, 4,", max_tokens=30, temperature=0, stop=["8"], stream=True)
check("".join(c.choices[0].text for c in counted if c.choices) == until.choices[0].text, "stop in a stream")

for what, status, call in [
    ("temperature", 400, lambda: client.chat.completions.create(model=model, messages=QUESTION, temperature=9)),
    ("functions", 400, lambda: client.chat.completions.create(model=model, messages=QUESTION, functions=[{"name": "f"}])),
    ("model", 404, lambda: client.chat.completions.create(model="gpt-4o", messages=QUESTION)),
]:
    try:
        call()
        check(False, f"{what} was not refused")
    except openai.APIStatusError as e:
        check(e.status_code == status and e.param == what and what in e.message, f"error of {what}: {e}")

stream = client.chat.completions.create(model=model, messages=QUESTION, max_tokens=2000, stream=True, temperature=1,
                                        extra_body={"ignore_eos": True})
next(iter(stream))
stream.close()
# The next one would wait for it if it went on: 2,000 tokens take many seconds.
began = time.monotonic()
client.completions.create(model=model, prompt="One", max_tokens=1)
check(time.monotonic() - began < 5, "a stream that was left keeps the worker busy")
stats = urllib.request.urlopen(BASE.removesuffix("/v1") + "/stats").read().decode()
print("OpenAI's client:", repr(text), stats)
