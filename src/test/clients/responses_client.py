"""OpenAI's own Python client, by the API of responses: texts, streams, tools, formats, stored responses, errors.

usage: responses_client.py URL SCRIPTED_URL   of a worker with a real model, and of testing.ScriptedWorker
"""

import json
import sys

import openai
from pydantic import BaseModel

real, scripted = (openai.OpenAI(base_url=url + "/v1", api_key="unused", max_retries=0, timeout=120) for url in sys.argv[1:3])
MODEL = real.models.list().data[0].id
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a city",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 20},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city", "unit"],
        "additionalProperties": False,
    },
    "strict": True,
}
ADD = {
    "type": "function",
    "name": "add",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
    "strict": True,
}
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n</tool_call>'
THOUGHT = "<think>\nHm.\n</think>\n\n"


def check(holds, what):
    if not holds:
        raise SystemExit(f"FAILED: {what}")


# A text, whole and streamed.
request = dict(model=MODEL, instructions="You are brief.", input="Name a colour.", max_output_tokens=24, temperature=0)
whole = real.responses.create(**request, metadata={"a": "b"})
check(whole.object == "response" and whole.output_text and whole.metadata == {"a": "b"}, f"response: {whole}")
check(whole.status in ("completed", "incomplete") and 0 < whole.usage.output_tokens <= 24, f"response: {whole}")
text, last = "", None
numbers = []
for event in real.responses.create(**request, stream=True):
    numbers.append(event.sequence_number)
    if event.type == "response.output_text.delta":
        text += event.delta
    last = event
check(numbers == list(range(len(numbers))), f"numbers: {numbers}")
check(text == last.response.output_text == whole.output_text, f"streamed {text}, whole {whole}")
with real.responses.stream(**request) as stream:
    for event in stream:
        pass
    if whole.status == "completed":
        check(stream.get_final_response().output_text == text, "the client's own stream")

# A response that follows another one, the same one twice, and one that is deleted.
first = real.responses.create(model=MODEL, input="My name is Ada.", max_output_tokens=16, temperature=0)
second = real.responses.create(model=MODEL, input="What is my name?", previous_response_id=first.id, max_output_tokens=16, temperature=0)
check(second.previous_response_id == first.id, f"following: {second}")
check(second.usage.input_tokens > first.usage.total_tokens, f"following: {second}")
check(real.responses.retrieve(first.id).output_text == first.output_text, "retrieve")
check(real.responses.input_items.list(first.id).data[0].content[0].text == "My name is Ada.", "input items")
real.responses.delete(first.id)
try:
    real.responses.retrieve(first.id)
    check(False, "deleted and there")
except openai.NotFoundError as e:
    check(e.code == "response_not_found", f"{e}")
try:
    real.responses.create(model=MODEL, input="x", previous_response_id=first.id)
    check(False, "follows a deleted one")
except openai.BadRequestError as e:
    check(e.code == "previous_response_not_found" and e.param == "previous_response_id", f"{e}")

# A small real model must call, whatever it would rather do.
for choice in ("required", {"type": "function", "name": "get_weather"}):
    request = dict(
        model=MODEL,
        input="How is the weather in Rome?",
        tools=[WEATHER],
        tool_choice=choice,
        parallel_tool_calls=False,
        max_output_tokens=200,
        extra_body={"seed": 3},
    )
    whole = real.responses.create(**request)
    check(len(whole.output) == 1 and whole.output[0].type == "function_call", f"calls: {whole}")
    call = whole.output[0]
    arguments = json.loads(call.arguments)
    check(call.name == "get_weather" and call.id.startswith("fc_") and call.call_id, f"call: {call}")
    check(set(arguments) == {"city", "unit"} and len(arguments["city"]) <= 20, f"arguments: {call}")
    pieces = ""
    for event in real.responses.create(**request, stream=True):
        if event.type == "response.function_call_arguments.delta":
            pieces += event.delta
    check(pieces == call.arguments, f"streamed {pieces}, whole {call}")


# An answer that a schema describes.
class Person(BaseModel):
    name: str
    age: int


parsed = real.responses.parse(model=MODEL, input="Ada is 36.", text_format=Person, max_output_tokens=200, temperature=0)
check(parsed.status == "incomplete" or isinstance(parsed.output_parsed, Person), f"parsed: {parsed}")

# A model that decides itself: reasoning, text, a call, its result, an answer; stored, and sent back.
for stored in (True, False):
    items = [{"role": "user", "content": "SAY " + THOUGHT + "Let me see.\n" + CALL}]
    asked = dict(model="scripted", tools=[ADD], store=stored, include=["reasoning.encrypted_content"])
    turn = scripted.responses.create(input=items, **asked)
    check([item.type for item in turn.output] == ["reasoning", "message", "function_call"], f"items: {turn}")
    check(turn.output[0].content[0].text.strip() == "Hm." and turn.output[0].encrypted_content, f"reasoning: {turn}")
    check(turn.usage.output_tokens_details.reasoning_tokens > 0, f"usage: {turn}")
    call = turn.output[2]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": str(sum(json.loads(call.arguments).values()))}
    if stored:
        end = scripted.responses.create(input=[result], previous_response_id=turn.id, **asked)
    else:
        end = scripted.responses.create(input=items + turn.output + [result], **asked)
    check(end.output_text == "The tool says: 5", f"answer: {end}")

# By WebSocket: streams side by side, a conversation of which nothing is stored, a fork, a tool's result.
def ends(connection, count):
    """The responses at their ends, by their streams."""
    found = {}
    for event in connection:
        check(event.type not in ("error", "response.failed"), f"event: {event}")
        if event.type in ("response.completed", "response.incomplete"):
            found[event.stream_id] = event.response
            if len(found) == count:
                return found
    check(False, "the connection was closed")


with scripted.responses.connect() as connection:

    def create(stream, text, previous=None, **more):
        connection.response.create(
            model="scripted", store=False, stream_id=stream, input=text, previous_response_id=previous, **more
        )

    create("plan", "SAY first")
    create("risks", "SAY second")
    both = ends(connection, 2)
    check(both["plan"].output_text == "first" and both["risks"].output_text == "second", f"streams: {both}")
    parent = both["plan"].id
    create("critic", "SAY gaps", parent)
    critic = ends(connection, 1)["critic"]
    create("plan", "SAY steps", parent)
    plan = ends(connection, 1)["plan"]
    check(critic.previous_response_id == plan.previous_response_id == parent, f"fork: {critic} {plan}")
    check(critic.usage.input_tokens > both["plan"].usage.total_tokens, f"fork: {critic}")
    create("plan", "SAY " + CALL, plan.id, tools=[ADD])
    called = ends(connection, 1)["plan"]
    result = {"type": "function_call_output", "call_id": called.output[0].call_id, "output": "5"}
    create("plan", [result], called.id, tools=[ADD])
    check(ends(connection, 1)["plan"].output_text == "The tool says: 5", "a tool's result")
    create("plan", "SAY x", "resp_0")
    error = connection.recv()
    check(error.type == "error" and error.error.code == "previous_response_not_found" and error.status == 400, f"{error}")
    check(error.stream_id == "plan", f"{error}")

# A response that is steered is followed by another.
with real.responses.connect() as connection:
    connection.send({"type": "response.create", "input": "Count.", "max_output_tokens": 200, "ignore_eos": True, "store": False})
    started = []
    for event in connection:
        check(event.type not in ("error", "response.failed", "response.steer.failed"), f"event: {event}")
        if event.type == "response.created":
            started.append(event.response.id)
            if len(started) == 1:
                connection.response.steer(previous_response_id=started[0], input="Be brief.")
        if event.type == "response.incomplete" and event.response.id == started[-1] and len(started) == 2:
            check(event.response.previous_response_id == started[0], f"successor: {event}")
            break

# Errors.
for error, change in (
    (openai.NotFoundError, {"model": "gpt"}),
    (openai.BadRequestError, {"max_output_tokens": 0}),
    (openai.BadRequestError, {"tools": [{"type": "web_search"}]}),
    (openai.BadRequestError, {"background": True}),
    (openai.BadRequestError, {"truncation": "auto"}),
    (openai.BadRequestError, {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x", "detail": "auto"}]}]}),
):
    try:
        scripted.responses.create(**{"model": "scripted", "input": "x", **change})
        check(False, f"{change} was accepted")
    except error as e:
        check(e.param and e.message, f"{e}")
print("OpenAI's client calls tools by responses:", arguments)
