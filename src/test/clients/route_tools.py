"""Has models call routes: findCustomer asks PostgreSQL, findOrder an HTTP service.

usage: route_tools.py BASE_URL SCRIPTED_URL ORDERS_PORT   a worker with a real model, testing.ScriptedWorker, and the
port at which this program serves orders
"""

import json
import sys

import openai

import orders

real, scripted = (openai.OpenAI(base_url=url, api_key="unused", max_retries=0, timeout=120) for url in sys.argv[1:3])
MODEL = real.models.list().data[0].id


def check(holds, what):
    if not holds:
        raise SystemExit(f"FAILED: {what}")


def routes(*tags):
    return [{"type": "route", "tags": list(tags)}]


def named(tool):
    return {"type": "function", "function": {"name": tool}}


def forced(tag, tool, question):
    """A small real model must call, whatever it would rather do. It may not know when to stop calling."""
    try:
        answer = real.chat.completions.create(
            model=MODEL,
            messages=[{"role": "user", "content": question}],
            tools=routes(tag),
            tool_choice=named(tool),
            parallel_tool_calls=False,
            max_tokens=200,
            temperature=0,
        )
    except openai.InternalServerError as e:
        check(e.status_code == 502 and "still calls tools after 8 rounds" in e.message, f"{tool}: {e}")
        print(f"{tool}: {e.message}")
        return
    choice = answer.choices[0]
    check(choice.finish_reason in ("stop", "length") and not choice.message.tool_calls, f"{tool}: {answer}")
    print(f"{tool}: {choice.message.content!r}")


def scripted_call(tag, tool, arguments):
    """What comes back from a call with these arguments."""
    call = f"<tool_call>\n{json.dumps({'name': tool, 'arguments': arguments}, ensure_ascii=False)}\n</tool_call>"
    answer = scripted.chat.completions.create(
        model="scripted", messages=[{"role": "user", "content": "SAY " + call}], tools=routes(tag), tool_choice=named(tool)
    )
    said = answer.choices[0].message.content
    check(said.startswith("The tool says: "), f"{tool}: {answer}")
    return json.loads(said.removeprefix("The tool says: "))


orders.serve(int(sys.argv[3]))

forced("customers", "findCustomer", "Where does Ann Lee live?")
forced("orders", "findOrder", "Where is order 7?")
check(orders.asked and orders.asked[0].removeprefix("/orders/").lstrip("-").isdigit(), f"the HTTP service was asked {orders.asked}")

rows = scripted_call("customers", "findCustomer", {"name": "ann lee"})
check(rows == [{"name": "Ann Lee", "city": "Ljubljana", "orders": 3}], f"rows: {rows}")
rows = scripted_call("customers", "findCustomer", {"name": "Bo Berg"})
check(rows == [{"name": "Bo Berg", "city": "Tromsø", "orders": 41}], f"rows: {rows}")
for name in ("' or '1'='1", "'; drop table customers; --", "Ann Lee' --", ":#name", "\\"):
    rows = scripted_call("customers", "findCustomer", {"name": name})
    check(rows == [], f"{name} finds {rows}")
order = scripted_call("orders", "findOrder", {"number": 12})
check(order == {"order": "/orders/12", "at": "Trieste"}, f"order: {order}")
