"""An agent of LangChain, with langchain-openai, that calls tools until it has its answer.

usage: langchain_agent.py SCRIPTED_URL   of testing.ScriptedWorker
"""

import sys

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n</tool_call>'
called = []


@tool
def add(a: int, b: int) -> str:
    """Adds two numbers."""
    called.append((a, b))
    return str(a + b)


def check(holds, what):
    if not holds:
        raise SystemExit(f"FAILED: {what}")


model = ChatOpenAI(base_url=sys.argv[1], api_key="unused", model="scripted", max_retries=0, timeout=120)
agent = create_agent(model, [add])
question = {"messages": [{"role": "user", "content": "SAY I add.\n" + CALL}]}
answer = agent.invoke(question)["messages"]
check(called == [(2, 3)], f"calls: {called}")
check(answer[-1].content == "The tool says: 5", f"answer: {answer[-1]}")
check(answer[-1].usage_metadata["input_tokens"] > 0, f"usage: {answer[-1].usage_metadata}")

# Streamed, the pieces of the call come together again.
steps = [message for message, _ in agent.stream(question, stream_mode="messages")]
check(called == [(2, 3), (2, 3)], f"calls of a stream: {called}")
text = "".join(message.content for message in steps if message.type == "AIMessageChunk")
check(text.endswith("The tool says: 5"), f"stream: {text!r}")

structured = model.with_structured_output(
    {"title": "place", "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    method="json_schema",
)
check(structured.invoke('SAY {"city": "Rome"}') == {"city": "Rome"}, "structured output")
print("LangChain's agent calls tools:", called[0])
