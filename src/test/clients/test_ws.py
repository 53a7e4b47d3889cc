"""The seed README's Python example, with only the URL changed."""
import asyncio
import json
import sys
import websockets

RUNPOD_API_KEY = "YOUR_RUNPOD_API_KEY"

async def test_websocket():
    url = sys.argv[1]
    headers = {"Authorization": f"Bearer {RUNPOD_API_KEY}"}

    async with websockets.connect(url, additional_headers=headers) as ws:
        payload = {"prompt": "Hello from Python!", "max_tokens": 30, "temperature": 0.7}
        await ws.send(json.dumps(payload))

        while True:
            message = await ws.recv()
            data = json.loads(message)
            print(data)
            if data.get("done"):
                break

asyncio.run(test_websocket())
