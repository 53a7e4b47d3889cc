"""Checks a worker in front of another server, by OpenAI's client and Python's websockets."""

import asyncio
import json
import re
import sys
import time
import urllib.error
import urllib.request

import openai
import websockets

BASE = sys.argv[1]
client = openai.OpenAI(base_url=BASE + "/v1", api_key="the-clients-own", max_retries=0)
model = client.models.list().data[0].id
messages = [{"role": "user", "content": "Name three colours."}]


def post(path, body):
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def chat():
    whole = client.chat.completions.create(model=model, messages=messages, max_tokens=16, temperature=0)
    assert whole.choices[0].message.content and whole.choices[0].finish_reason in ("stop", "length"), whole
    assert whole.usage.completion_tokens > 0, whole
    text, usage = "", None
    stream = client.chat.completions.create(model=model, messages=messages, max_tokens=16, temperature=0, stream=True,
                                            stream_options={"include_usage": True})
    for chunk in stream:
        usage = chunk.usage or usage
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
    assert text == whole.choices[0].message.content, (text, whole)
    assert usage.completion_tokens == whole.usage.completion_tokens, usage
    print(f"chat, whole and streamed: {text!r}")


def several():
    answer = client.chat.completions.create(model=model, messages=messages, max_tokens=8, n=2, logprobs=True,
                                            top_logprobs=10)
    assert len(answer.choices) == 2, answer
    assert len(answer.choices[0].logprobs.content[0].top_logprobs) == 10, answer
    print("two choices, ten log-probabilities each token")


def formats():
    schema = {"type": "object", "properties": {"colour": {"type": "string", "maxLength": 12}}, "required": ["colour"]}
    answer = client.chat.completions.create(
        model=model, messages=messages, max_tokens=64, temperature=0,
        response_format={"type": "json_schema", "json_schema": {"name": "colour", "schema": schema}})
    assert "colour" in json.loads(answer.choices[0].message.content), answer
    print(f"response format: {answer.choices[0].message.content}")


def tools():
    """Of the small app only: a small model's own choice is whatever it is."""
    parameters = {"type": "object", "properties": {"colour": {"type": "string"}}}
    wanted = [{"type": "function", "function": {"name": "paint", "parameters": parameters}}]
    answer = client.chat.completions.create(model=model, messages=messages, tools=wanted)
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls", answer
    assert call.function.name == "paint" and json.loads(call.function.arguments) == {"colour": "red"}, answer
    print(f"tool: {call.function.arguments}")


def own_protocol():
    body = {"prompt": "Tell me about load balancing", "max_tokens": 12, "temperature": 0}
    text = post("/generate", body)["generated_text"]
    details = post("/generate", body | {"details": True})
    assert details["finish_reason"] == "length" and details["usage"]["completion_tokens"] == 12, details
    assert post("/generate", body | {"raw": True})["generated_text"], "raw"

    async def frames():
        async with websockets.connect(BASE.replace("http", "ws") + "/ws") as ws:
            await ws.send(json.dumps(body))
            got = [json.loads(await ws.recv())]
            while "token" in got[-1]:
                got.append(json.loads(await ws.recv()))
            return got

    got = asyncio.run(frames())
    assert "".join(frame["token"] for frame in got[:-1]) == text, (got, text)
    assert got[-1] == {"done": True, "total_tokens": len(got) - 1}, got
    print(f"/generate and /ws: {text!r} in {len(got) - 1} frames")


def formats_of_the_worker():
    """The worker asks llama.cpp's server in its own words."""
    for field, pattern in [({"guided_regex": "^[a-f]{3}-[0-9]{2}$"}, "[a-f]{3}-[0-9]{2}"),
                           ({"guided_choice": ["salt", "a.b \"c\""]}, 'salt|a\\.b "c"'),
                           ({"guided_json": {"type": "boolean"}}, "true|false")]:
        for raw in (False, True):
            body = {"prompt": "Name something.", "max_tokens": 40, "raw": raw} | field
            text = post("/generate", body)["generated_text"]
            assert re.fullmatch(pattern, text), (field, raw, text)
    print("formats of /generate, with and without the chat template")


def route_tools():
    """The worker runs the call. A server that ignores that one is required is an error and not an answer."""
    body = {"model": model, "messages": messages, "max_tokens": 60, "tool_choice": "required",
            "tools": [{"type": "route", "tags": ["colours"]}]}
    try:
        answer = post("/v1/chat/completions", body)["choices"][0]
        assert "tool_calls" not in answer["message"], answer
        print(f"a tool that is a route: {answer['message']['content']!r}")
    except urllib.error.HTTPError as error:
        text = error.read().decode()
        assert error.code == 502 and "the engine's server wrote none" in text, text
        print("a tool that is a route: this server ignores that a call is required")


def many():
    async def one(asynchronous, number):
        answer = await asynchronous.chat.completions.create(
            model=model, messages=[{"role": "user", "content": f"Count from {number}."}], max_tokens=24)
        return answer.usage.completion_tokens

    async def all_of_them():
        asynchronous = openai.AsyncOpenAI(base_url=BASE + "/v1", api_key="x", max_retries=0, timeout=120)
        began = time.time()
        tokens = await asyncio.gather(*(one(asynchronous, number) for number in range(12)))
        return sum(tokens), time.time() - began

    tokens, seconds = asyncio.run(all_of_them())
    print(f"12 at once: {tokens} tokens in {seconds:.1f} s")


def refusal():
    try:
        client.chat.completions.create(model=model, messages=[{"role": "user", "content": "a " * 20000}])
        raise AssertionError("a prompt of 20,000 words was taken")
    except openai.BadRequestError as error:
        print(f"too long a prompt: {error.code}")


chat()
own_protocol()
many()
if "--small-app" in sys.argv:
    tools()
else:
    several()
    formats()
    formats_of_the_worker()
    route_tools()
    refusal()
