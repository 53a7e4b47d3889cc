"""Anthropic's own Python client: messages, streams, tools, thinking, counts, errors.

usage: anthropic_client.py URL SCRIPTED_URL   of a worker with a real model, and of testing.ScriptedWorker
"""

import sys

import anthropic
from anthropic import beta_tool

real, scripted = (anthropic.Anthropic(base_url=url, api_key="unused", max_retries=0, timeout=120) for url in sys.argv[1:3])
MODEL = real.models.list().data[0].id
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 20},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
}
ADD = {
    "name": "add",
    "input_schema": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n</tool_call>'
THOUGHT = "<think>\nHm.\n</think>\n\n"


def check(holds, what):
    if not holds:
        raise SystemExit(f"FAILED: {what}")


def say(text):
    return [{"role": "user", "content": "SAY " + text}]


def all_input(usage):
    return usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens


# A conversation, whole, streamed and counted.
request = dict(
    model=MODEL,
    max_tokens=24,
    # The client's newer versions have no parameter for it.
    extra_body={"temperature": 0},
    system=[{"type": "text", "text": "You are brief.", "cache_control": {"type": "ephemeral"}}],
    messages=[
        {"role": "user", "content": "Name a colour."},
        {"role": "assistant", "content": [{"type": "text", "text": "Red."}]},
        {"role": "user", "content": [{"type": "text", "text": "Name two more."}]},
    ],
)
answer = real.messages.create(**request)
check(answer.type == "message" and answer.role == "assistant" and answer.model == MODEL, f"message: {answer}")
check(len(answer.content) == 1 and answer.content[0].text, f"content: {answer}")
check(answer.stop_reason in ("end_turn", "max_tokens") and answer.stop_sequence is None, f"end: {answer}")
check(0 < answer.usage.output_tokens <= 24, f"usage: {answer.usage}")
with real.messages.stream(**request) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
check(text == final.content[0].text == answer.content[0].text, f"streamed {final}, whole {answer}")
check(final.usage.output_tokens == answer.usage.output_tokens, f"streamed {final}, whole {answer}")
check(all_input(final.usage) == all_input(answer.usage), f"streamed {final}, whole {answer}")
counted = real.messages.count_tokens(**{key: request[key] for key in ("model", "system", "messages")})
check(counted.input_tokens == all_input(answer.usage), f"counted {counted}, used {answer.usage}")
word = answer.content[0].text.split()[1]
stopped = real.messages.create(**request, stop_sequences=["never in it", word])
check(stopped.stop_reason == "stop_sequence" and stopped.stop_sequence == word, f"stop: {stopped}")

# A small real model must call, whatever it would rather do.
for choice in ({"type": "any", "disable_parallel_tool_use": True}, {"type": "tool", "name": "get_weather"}):
    request = dict(
        model=MODEL,
        max_tokens=200,
        messages=[{"role": "user", "content": "How is the weather in Rome?"}],
        tools=[WEATHER],
        tool_choice={**choice, "disable_parallel_tool_use": True},
        extra_body={"seed": 3},
    )
    answer = real.messages.create(**request)
    check(answer.stop_reason == "tool_use" and len(answer.content) == 1, f"calls: {answer}")
    call = answer.content[0]
    check(call.type == "tool_use" and call.id and call.name == "get_weather", f"call: {call}")
    check(set(call.input) == {"city", "unit"} and len(call.input["city"]) <= 20, f"input: {call}")
    with real.messages.stream(**request) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_message()
    check("input_json" in events, f"{events}")
    check(final.content[0].input == call.input, f"streamed {final}, whole {answer}")

# A model that decides itself: thinking, text, two calls, their results, an answer.
thinking = {"type": "enabled", "budget_tokens": 1024}
messages = say(THOUGHT + "Let me see.\n" + CALL + "\n" + CALL)
for streams in (False, True, False):
    request = dict(model="scripted", max_tokens=4000, messages=messages, tools=[ADD], thinking=thinking)
    if streams:
        with scripted.messages.stream(**request) as stream:
            answer = stream.get_final_message()
    else:
        answer = scripted.messages.create(**request)
    if answer.stop_reason != "tool_use":
        break
    check([block.type for block in answer.content] == ["thinking", "text", "tool_use", "tool_use"], f"blocks: {answer}")
    check(answer.content[0].thinking.strip() == "Hm." and answer.content[0].signature, f"thinking: {answer}")
    check(answer.usage.output_tokens_details.thinking_tokens > 0, f"usage: {answer.usage}")
    if streams:
        calls = [block for block in answer.content if block.type == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": str(call.input["a"] + call.input["b"])} for call in calls]
        messages = messages + [{"role": "assistant", "content": answer.content}, {"role": "user", "content": results}]
check([block.type for block in answer.content] == ["text"], f"answer: {answer}")
check(answer.content[0].text == "The tool says: 5", f"answer: {answer}")

# Without thinking there are no blocks of it.
answer = scripted.messages.create(model="scripted", max_tokens=100, messages=say(THOUGHT + "Five."))
check(all(block.type == "text" for block in answer.content), f"not thinking: {answer}")


# The client's own loop.
@beta_tool
def add(a: int, b: int) -> str:
    """Adds.

    Args:
        a: One number.
        b: Another number.
    """
    return str(a + b)


runner = scripted.beta.messages.tool_runner(model="scripted", max_tokens=1000, messages=say(CALL), tools=[add])
check(runner.until_done().content[0].text == "The tool says: 5", "the client's loop")

# Errors.
for error, change in (
    (anthropic.NotFoundError, {"model": "claude"}),
    (anthropic.BadRequestError, {"max_tokens": 0}),
    (anthropic.BadRequestError, {"extra_body": {"temperature": 1.5}}),
    (anthropic.BadRequestError, {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}]}),
):
    try:
        scripted.messages.create(**{"model": "scripted", "max_tokens": 9, "messages": say("x"), **change})
        check(False, f"{change} was accepted")
    except error as e:
        check(e.body["type"] == "error" and e.body["error"]["message"], f"{e.body}")
print("Anthropic's client calls tools:", call.input)
