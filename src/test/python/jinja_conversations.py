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


def switches():
    """Conversations with what clients put into chat_template_kwargs, for templates of models that think."""
    rounds = [
        system("S"),
        user("Weather?"),
        assistant("", reasoning_content="I ask.", thinking="I ask.", tool_calls=[call("weather_now", {"place": "Bern", "at": {"lat": 1.5}})]),
        {"role": "tool", "name": "weather_now", "tool_call_id": "abcdefgh1", "content": "21 °C"},
        {"role": "tool", "name": "weather_now", "tool_call_id": "abcdefgh2", "content": '{"t": [1, 2.0, null, true]}'},
        assistant("<think>\nfine\n</think>\n\nIt is 21 °C.", reasoning_content="fine"),
        user("And tomorrow?"),
    ]
    called = [*rounds, assistant(None, thinking="again", tool_calls=[call("no_arguments", {})]),
              {"role": "tool", "name": "no_arguments", "tool_call_id": "abcdefgh1", "content": "x"}]
    parts = [user([{"type": "text", "text": "look"}, {"type": "image"}, {"type": "text", "text": "here"}])]
    documents = [{"title": "A", "text": "First", "doc_id": 1}, {"title": "B", "contents": "Second é", "doc_id": 2}]
    choices = [
        {"enable_thinking": True}, {"enable_thinking": False}, {"enable_thinking": None}, {"thinking": True}, {"thinking": False},
        {"reasoning_effort": "low"}, {"reasoning_effort": "high", "enable_thinking": True}, {"reasoning_effort": "none"},
        {"reasoning_effort": "low", "builtin_tools": ["browser", "python"], "model_identity": "You are X."},
        {"documents": documents}, {"documents": documents, "citation_mode": "accurate", "citations": True, "hallucinations": True},
        {"documents": [], "controls": {"length": "short", "originality": "abstractive"}},
        {"date_string": "26 Jul 2024", "tools_in_user_message": False}, {"builtin_tools": ["brave_search", "code_interpreter"]},
        {"preserve_thinking": True, "clear_thinking": False, "keep_past_thinking": True, "truncate_history_thinking": False},
        {"xml_tools": "<tools></tools>", "python_tools": ["t"], "custom_instructions": "C"}, {"thinking_budget": 512, "thinking_mode": "on"},
        {"add_generation_prompt": False, "enable_thinking": False}, {"skip_think": True, "add_vision_id": True},
    ]
    for messages in ([user("Hello")], [system("/no_think Be brief."), user("Hi /think")], rounds, called, parts):
        for choice in choices:
            yield {**BASE, "messages": messages, **choice}
            yield {**BASE, "messages": messages, "tools": TOOLS, **choice}
