"""A small server of OpenAI's API on Ray Serve, two replicas: it streams words of a fixed text, or a
call of the first tool. By hand: run.sh ray."""

import asyncio
import json
import sys

import ray
from fastapi import FastAPI
from fastapi.responses import JSONResponse, StreamingResponse
from ray import serve

app = FastAPI()
WORDS = [word + " " for word in ("load balancing spreads the requests of many clients over several servers so that "
                                 "none of them has more to do than the others").split()]


@serve.deployment(num_replicas=2, max_ongoing_requests=32, ray_actor_options={"num_cpus": 0})
@serve.ingress(app)
class Words:
    @app.get("/health")
    def health(self):
        return {}

    @app.get("/v1/models")
    def models(self):
        return {"object": "list", "data": [{"id": "words", "object": "model"}]}

    @app.post("/v1/chat/completions")
    async def chat(self, body: dict):
        return self.answer(body, "chat.completion.chunk", lambda text: {"delta": {"content": text}})

    @app.post("/v1/completions")
    async def text(self, body: dict):
        return self.answer(body, "text_completion", lambda text: {"text": text})

    def answer(self, body, kind, piece):
        if not body.get("stream"):
            return JSONResponse({"error": {"message": "only streams"}}, 400)
        number = min(body.get("max_tokens") or len(WORDS), len(WORDS))
        reason = "length" if number < len(WORDS) or body.get("max_tokens") == number else "stop"

        def event(choices, **more):
            return "data: " + json.dumps({"id": "r", "object": kind, "created": 1, "model": body["model"],
                                          "choices": choices, **more}) + "\n\n"

        def calls():
            function = body["tools"][0]["function"]["name"]
            for part in ({"name": function, "arguments": ""}, {"arguments": '{"colour":'}, {"arguments": '"red"}'}):
                yield event([{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "call_1", "type": "function",
                                                                    "function": part}]}, "finish_reason": None}])
            yield event([{"index": 0, "delta": {}, "finish_reason": "tool_calls"}])
            yield "data: [DONE]\n\n"

        async def events():
            for word in WORDS[:number]:
                yield event([{"index": 0, **piece(word), "finish_reason": None}])
                await asyncio.sleep(0.01)
            yield event([{"index": 0, **piece(""), "finish_reason": reason}])
            yield event([], usage={"prompt_tokens": 5, "completion_tokens": number, "total_tokens": number + 5})
            yield "data: [DONE]\n\n"

        return StreamingResponse(calls() if body.get("tools") else events(), media_type="text/event-stream")


if __name__ == "__main__":
    ray.init(num_cpus=2, include_dashboard=False, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    serve.run(Words.bind())
    asyncio.run(asyncio.Event().wait())
