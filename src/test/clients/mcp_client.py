"""Uses routes as tools by the official MCP client.

usage: mcp_client.py URL KEY ORDERS_PORT ROUTES   the worker's /mcp, an API key, the port at which this program serves
orders, and the folder of the worker's routes, which it reloads
"""

import asyncio
import json
import pathlib
import sys
import time

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

import orders

url, key, routes = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[4])


def check(holds, what):
    if not holds:
        raise SystemExit(f"FAILED: {what}")


async def refused(call, code, what):
    try:
        result = await call
    except MCPError as e:
        check(e.error.code == code, f"{what}: {e.error}")
    else:
        raise SystemExit(f"FAILED: {what} is {result}")


async def names(client):
    return [tool.name for tool in (await client.list_tools()).tools]


async def use(client, mode):
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    check(sorted(tools) == ["echo", "findOrder", "wait"], f"{mode}: {sorted(tools)}")
    check(tools["echo"].input_schema["required"] == ["text"], f"{mode}: {tools['echo']}")
    check(tools["echo"].annotations.read_only_hint, f"{mode}: {tools['echo']}")

    found = await client.call_tool("findOrder", {"number": 7})
    check(not found.is_error and "Trieste" in found.content[0].text, f"{mode}: {found}")
    check(orders.asked[-1] == "/orders/7", f"{mode}: {orders.asked}")

    said = await client.call_tool("echo", {"text": "Grüße 🌍", "CamelHttpUri": "http://evil.example"})
    check(said.content[0].text == "Grüße 🌍|", f"{mode}: only declared arguments reach the route: {said}")

    wrong = await client.call_tool("findOrder", {"number": "seven"})
    check(wrong.is_error and "number" in wrong.content[0].text, f"{mode}: {wrong}")
    for hidden in ("hidden", "none"):
        await refused(client.call_tool(hidden, {}), -32602, f"{mode}: {hidden}")

    many = await asyncio.gather(*(client.call_tool("echo", {"text": str(i)}) for i in range(20)))
    check([one.content[0].text for one in many] == [f"{i}|" for i in range(20)], f"{mode}: {many}")

    began = time.monotonic()
    waiting = asyncio.create_task(client.call_tool("wait", {}))
    await asyncio.sleep(1)
    waiting.cancel()
    try:
        await waiting
    except asyncio.CancelledError:
        pass
    check(time.monotonic() - began < 30, f"{mode}: a call that is cancelled ends")


async def reload(client):
    text = """- route: {id: added, from: {uri: 'llm-tool:added?tags=tests', steps: [{setBody: {constant: new}}]}}"""
    (routes / "added.camel.yaml").write_text(text)
    for _ in range(300):
        if "added" in await names(client):
            break
        await asyncio.sleep(0.1)
    check((await client.call_tool("added", {})).content[0].text == "new", "a new route is a tool")
    (routes / "added.camel.yaml").unlink()
    for _ in range(300):
        if "added" not in await names(client):
            break
        await asyncio.sleep(0.1)
    await refused(client.call_tool("added", {}), -32602, "a route that is gone")


async def main():
    orders.serve(int(sys.argv[3]))
    async with httpx2.AsyncClient(headers={"X-API-Key": key}, timeout=120) as keyed:
        for mode in ("auto", "2026-07-28", "legacy"):
            async with Client(streamable_http_client(url, http_client=keyed), mode=mode) as client:
                version = client.protocol_version
                check(version == ("2025-11-25" if mode == "legacy" else "2026-07-28"), f"{mode}: {version}")
                await use(client, mode)
                if mode == "auto":
                    await reload(client)
            print(f"mode {mode}: {version}")
    async with httpx2.AsyncClient() as keyless:
        try:
            async with Client(streamable_http_client(url, http_client=keyless)):
                raise SystemExit("FAILED: a client without a key gets in")
        except (MCPError, ExceptionGroup) as e:
            check("key is missing" in repr(e), repr(e))


asyncio.run(main())
