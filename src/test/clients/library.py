"""Adds passages to the example `library`, asks it, and makes embeddings and scores with clients of OpenAI's and Cohere's APIs.

usage: library.py EMBEDDER RANKER      two workers, the first with the example's routes
       library.py EMBEDDER --vector    prints the embedding of the first passage
"""

import math
import sys

import cohere
import openai
import requests

embedder = sys.argv[1]
PASSAGES = [
    "The port is opened before the model is loaded.",
    "Apples and pears grow on trees.",
    "The cat sleeps on the warm roof.",
    "Rome is the capital of Italy.",
    "'); drop table passages; --",
]
client = openai.OpenAI(base_url=embedder + "/v1", api_key="unused", max_retries=0, timeout=120)
MODEL = client.models.list().data[0].id


def check(holds, what):
    if not holds:
        raise SystemExit(f"FAILED: {what}")


def post(path, body, server=embedder):
    return requests.post(server + path, json=body, timeout=120)


def embeddings():
    both = client.embeddings.create(model=MODEL, input=PASSAGES[:2])
    check([one.index for one in both.data] == [0, 1], "embeddings come in order")
    first = both.data[0].embedding
    check(len(first) == 576 and abs(sum(x * x for x in first) - 1) < 1e-5, "embeddings have the length 1")
    # The client has asked for base64; numbers are the same.
    plain = post("/v1/embeddings", {"input": PASSAGES[0]}).json()["data"][0]["embedding"]
    check(all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(first, plain)), "base64 and numbers are the same")
    short = client.embeddings.create(model=MODEL, input=PASSAGES[0], dimensions=64).data[0].embedding
    check(len(short) == 64 and abs(sum(x * x for x in short) - 1) < 1e-5, "fewer dimensions have the length 1")
    tokens = requests.post(embedder + "/tokenize", json={"prompt": PASSAGES[0]}, timeout=120).json()["tokens"]
    by_ids = client.embeddings.create(model=MODEL, input=[tokens])
    check(by_ids.usage.prompt_tokens == len(tokens), "token ids are taken as they are")
    try:
        client.embeddings.create(model=MODEL, input="x", dimensions=577)
    except openai.BadRequestError as e:
        check(e.body["message"] == "dimensions is 577; it must be 1 to 576", e.body)
    else:
        check(False, "too many dimensions are refused")
    try:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}])
    except openai.BadRequestError as e:
        check(e.code == "task_not_served", e.body)
    else:
        check(False, "a model that makes embeddings does not chat")


def library():
    for passage in PASSAGES:
        answer = post("/library", {"text": passage})
        check(answer.status_code == 200 and answer.json() == {"kept": True}, answer.text)
    answer = post("/library/ask", {"question": "What is opened before the model is loaded?"})
    check(answer.status_code == 200 and len(answer.json()["answer"]) > 0, answer.text)
    check(post("/library", {}).status_code == 400, "a text that is missing is a 400")


def rerank(server):
    model = requests.get(server + "/v1/models", timeout=120).json()["data"][0]["id"]
    asked = {"model": model, "query": "fruit", "top_n": 2, "return_documents": True}
    # As Jina's API has it.
    answer = post("/v1/rerank", asked | {"documents": PASSAGES}, server).json()
    results = answer["results"]
    check(len(results) == 2 and results[0]["relevance_score"] >= results[1]["relevance_score"], answer)
    check(results[0]["document"]["text"] == PASSAGES[results[0]["index"]], answer)
    ranker = cohere.Client("unused", base_url=server, timeout=120)
    found = ranker.rerank(documents=[{"text": passage} for passage in PASSAGES], **asked)
    same = [(one.index, one.relevance_score, one.document.text) for one in found.results]
    check(same == [(one["index"], one["relevance_score"], one["document"]["text"]) for one in results], found)
    try:
        ranker.rerank(documents=PASSAGES, max_chunks_per_doc=3, **asked)
    except cohere.BadRequestError as e:
        check(e.body["error"]["message"] == "max_chunks_per_doc is not supported", e.body)
    else:
        check(False, "what is not supported is refused")


if sys.argv[2] == "--vector":
    print(post("/v1/embeddings", {"input": PASSAGES[0]}).json()["data"][0]["embedding"])
else:
    embeddings()
    library()
    rerank(sys.argv[2])
