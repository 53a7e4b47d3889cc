"""Conversations to render chat templates with: roles, tools, Unicode, white space at the ends, long ones, odd ones."""

BASE = {"bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": True}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather_now",
            "description": "The weather of a place <now> & \"here\"",
            "parameters": {
                "type": "object",
                "properties": {
                    "place": {"type": "string", "description": "Town, e.g. Zürich"},
                    "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
                    "days": {"type": "integer", "minimum": 1, "maximum": 7},
                    "exact": {"type": "boolean"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "at": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]},
                },
                "required": ["place"],
            },
            "return": {"type": "string"},
        },
    },
    {
        "type": "function",
        "function": {"name": "no_arguments", "description": "None", "parameters": {"type": "object", "properties": {}}},
    },
]


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(name, arguments, identifier="abcdefgh1"):
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}}


def conversations():
    chats = [
        [user("Hello")],
        [system("Be brief."), user("Hello")],
        [user("Hi"), assistant("Hello!"), user("How are you?")],
        [system("S"), user("Hi"), assistant("Hello!"), user("And\nnow?"), assistant("Fine.")],
        [user("  white space \n"), assistant("\n\t left and right  "), user(" \u00a0nbsp\u2003 ")],
        [system("  Système «é»  "), user("日本語 🙂 e\u0301 \u200b"), assistant("Größe 😀"), user("<|im_end|> 'q' \"d\" \\ /")],
        [user("Think"), assistant("<think>\nhm, so\n</think>\n\nAnswer"), user("Why?")],
        [user("Think"), assistant("Answer", reasoning_content="because\n", thinking="because\n"), user("Why?")],
        [user(""), assistant(""), user("x")],
        [system("Only a system message")],
        [assistant("I begin"), user("No")],
        [user("a"), user("b")],
        [user("{{ 1 }} {% if %} {# c #}"), assistant("{}[]"), user("</think> </tool_call>")],
        [system("S"), *[m for i in range(12) for m in (user(f"q{i}"), assistant(f"a{i}"))], user("last")],
        [{"role": "developer", "content": "D"}, user("Hello")],
        [user([{"type": "text", "text": "part 1"}, {"type": "text", "text": " part 2 "}])],
        [user("Weather?"), assistant("", tool_calls=[call("weather_now", {"place": "Zürich", "days": 2, "exact": True})])],
        [
            system("S"),
            user("Weather?"),
            assistant(None, tool_calls=[call("weather_now", {"place": "Bern", "unit": None, "tags": ["a", "b"]})]),
            {"role": "tool", "name": "weather_now", "tool_call_id": "abcdefgh1", "content": '{"t": 21.5}'},
            assistant("It is 21.5 °C."),
            user("Thanks"),
        ],
        [
            user("Two"),
            assistant("Calling", tool_calls=[call("weather_now", {"place": "A"}), call("no_arguments", {}, "abcdefgh2")]),
            {"role": "tool", "name": "weather_now", "tool_call_id": "abcdefgh1", "content": "1"},
            {"role": "tool", "name": "no_arguments", "tool_call_id": "abcdefgh2", "content": "2"},
        ],
        [
            user("Text arguments"),
            assistant("", tool_calls=[call("weather_now", '{"place": "Genève"}')]),
            {"role": "tool", "name": "weather_now", "tool_call_id": "abcdefgh1", "content": "x"},
        ],
    ]
    result = []
    for messages in chats:
        result.append({**BASE, "messages": messages})
        result.append({**BASE, "messages": messages, "tools": TOOLS})
    result.append({**BASE, "messages": chats[1], "add_generation_prompt": False})
    result.append({**BASE, "messages": chats[6], "add_generation_prompt": False, "tools": None})
    result.append({**BASE, "messages": chats[6], "enable_thinking": False})
    result.append({**BASE, "messages": chats[7], "enable_thinking": True, "tools": TOOLS})
    result.append({**BASE, "messages": chats[0], "date_string": "01 Jan 2025", "reasoning_effort": "high"})
    result.append({**BASE, "messages": chats[0], "documents": [{"title": "T", "text": "Text"}], "tools": []})
    result.append({**BASE, "messages": []})
    return result
