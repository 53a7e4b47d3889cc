"""OpenAI's own Python client with tools, reasoning and several choices.

usage: openai_tools.py BASE_URL SCRIPTED_URL   of a worker with a real model, and of testing.ScriptedWorker
"""

import json
import sys

import openai

real, scripted = (openai.OpenAI(base_url=url, api_key="unused", max_retries=0, timeout=120) for url in sys.argv[1:3])
MODEL = real.models.list().data[0].id
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "maxLength": 20},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n</tool_call>'


def check(holds, what):
    if not holds:
        raise SystemExit(f"FAILED: {what}")


def say(text):
    return [{"role": "user", "content": "SAY " + text}]


def assert_weather(call):
    check(call.type == "function" and call.id and call.function.name == "get_weather", f"call: {call}")
    arguments = json.loads(call.function.arguments)
    check(set(arguments) == {"city", "unit"} and len(arguments["city"]) <= 20, f"arguments: {arguments}")
    check(arguments["unit"] in ("celsius", "fahrenheit"), f"arguments: {arguments}")


# A small real model must call, whatever it would rather do.
for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
    request = dict(
        model=MODEL,
        messages=[{"role": "user", "content": "How is the weather in Rome?"}],
        tools=[WEATHER, ADD] if isinstance(choice, dict) else [WEATHER],
        tool_choice=choice,
        parallel_tool_calls=False,
        max_completion_tokens=200,
        temperature=1,
        seed=3,
    )
    answer = real.chat.completions.create(**request)
    check(answer.choices[0].finish_reason == "tool_calls", f"whole: {answer}")
    check(answer.choices[0].message.content is None, f"content: {answer}")
    check(len(answer.choices[0].message.tool_calls) == 1, f"calls: {answer}")
    assert_weather(answer.choices[0].message.tool_calls[0])
    with real.chat.completions.stream(**request) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_completion().choices[0]
    check("tool_calls.function.arguments.delta" in events and "tool_calls.function.arguments.done" in events, f"{events}")
    check(final.finish_reason == "tool_calls", f"streamed: {final}")
    assert_weather(final.message.tool_calls[0])
    check(
        final.message.tool_calls[0].function.arguments == answer.choices[0].message.tool_calls[0].function.arguments,
        f"streamed {final}, whole {answer}",
    )

# A model that decides itself: text, two calls, their results, an answer.
messages = say("Let me see.\n" + CALL + "\n" + CALL)
for _ in range(2):
    answer = scripted.chat.completions.create(model="scripted", messages=messages, tools=[ADD])
    message = answer.choices[0].message
    if not message.tool_calls:
        break
    check(answer.choices[0].finish_reason == "tool_calls" and len(message.tool_calls) == 2, f"auto: {answer}")
    check(len({call.id for call in message.tool_calls}) == 2, f"ids: {answer}")
    messages.append(message)
    for call in message.tool_calls:
        total = sum(json.loads(call.function.arguments).values())
        messages.append({"role": "tool", "tool_call_id": call.id, "content": str(total)})
check(answer.choices[0].message.content == "The tool says: 5", f"answer: {answer}")

with scripted.chat.completions.stream(model="scripted", messages=say(CALL), tools=[ADD]) as stream:
    for event in stream:
        pass
    check(json.loads(stream.get_final_completion().choices[0].message.tool_calls[0].function.arguments) == {"a": 2, "b": 3}, "auto, streamed")

# Reasoning is apart, whole and streamed, and counted.
thinking = say("<think>\nHm.\n</think>\n\nFive.")
answer = scripted.chat.completions.create(model="scripted", messages=thinking)
check(answer.choices[0].message.reasoning_content.strip() == "Hm.", f"reasoning: {answer}")
check(answer.choices[0].message.content.strip() == "Five.", f"reasoning: {answer}")
check(answer.usage.completion_tokens_details.reasoning_tokens > 0, f"usage: {answer.usage}")
deltas = [chunk.choices[0].delta for chunk in scripted.chat.completions.create(model="scripted", messages=thinking, stream=True)]
streamed = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
check(streamed == answer.choices[0].message.reasoning_content, f"streamed reasoning: {streamed}")

# Several choices share the prompt.
answer = real.chat.completions.create(
    model=MODEL, messages=[{"role": "user", "content": "Name a colour."}], n=3, max_tokens=8, temperature=1.5, seed=1
)
check([choice.index for choice in answer.choices] == [0, 1, 2], f"n: {answer}")
check(len({choice.message.content for choice in answer.choices}) > 1, f"n: {answer}")
check(answer.usage.completion_tokens <= 24, f"usage of n: {answer.usage}")
print("OpenAI's client calls tools:", final.message.tool_calls[0].function.arguments)
