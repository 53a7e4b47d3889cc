"""Many WebSocket streams at once on a running worker, then rounds of clients that drop and cancel; only Python's own library.

    python src/test/gpu/streams.py 127.0.0.1 8080 --streams 128 --rounds 20 [--pid PID] --out results.jsonl

First all streams to their end: tokens a second, time to the first token, and that every stream is complete. Then, in each
round, as many again, of which a third drops its connection at a random token, a third cancels, and a third goes on; after
it the worker must be idle within seconds, as /stats and a short request say. The memory of process PID and of the GPU
(nvidia-smi) is read after each round; exit 1 where a stream was not complete or memory grew from the second round on.
"""

import argparse
import asyncio
import base64
import json
import os
import random
import statistics
import struct
import subprocess
import sys
import time


class Socket:
    """A WebSocket client of text frames."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, host, port):
        reader, writer = await asyncio.open_connection(host, port)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET /ws HTTP/1.1", f"Host: {host}:{port}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        writer.write("\r\n".join(lines).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0] + b" ":
            raise ConnectionError(head.split(b"\r\n")[0].decode())
        return cls(reader, writer)

    async def send(self, message):
        data, mask = json.dumps(message).encode(), os.urandom(4)
        length = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + struct.pack(">H", len(data))
        self.writer.write(b"\x81" + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))
        await self.writer.drain()

    async def receive(self):
        """The next text frame; pings are passed over."""
        while True:
            first, second = await self.reader.readexactly(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", await self.reader.readexactly(8))
            data = await self.reader.readexactly(length)
            if first & 0x0F == 1:
                return json.loads(data)
            if first & 0x0F == 8:
                raise ConnectionError("the worker closed: " + data[2:].decode(errors="replace"))

    def drop(self):
        self.writer.transport.abort()


def request(tokens, number):
    return {"prompt": f"Count from {number} upwards.", "max_tokens": tokens, "temperature": 0.7, "ignore_eos": True}


async def stream(arguments, number, ends="whole"):
    """One prompt; what came of it."""
    at = random.randrange(1, max(2, arguments.tokens // 2))
    socket = await Socket.open(arguments.host, arguments.port)
    start, first, tokens = time.perf_counter(), None, 0
    try:
        await socket.send(request(arguments.tokens, number))
        while True:
            frame = await asyncio.wait_for(socket.receive(), 300)
            if "error" in frame:
                return dict(ends=ends, problem=frame["error"])
            if "token" not in frame:
                complete = ends == "cancel" or frame["total_tokens"] == tokens == arguments.tokens
                return dict(ends=ends, first=first, tokens=tokens, problem=None if complete else f"{frame} after {tokens}")
            if frame["index"] != tokens:
                return dict(ends=ends, problem=f"index {frame['index']} after {tokens} tokens")
            first = first or time.perf_counter() - start
            tokens += 1
            if tokens == at and ends == "drop":
                return dict(ends=ends, first=first, tokens=tokens, problem=None)
            if tokens == at and ends == "cancel":
                await socket.send({"cancel": True})
    finally:
        socket.drop()


async def get(arguments, path):
    reader, writer = await asyncio.open_connection(arguments.host, arguments.port)
    writer.write(f"GET {path} HTTP/1.0\r\nHost: worker\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])


async def idle(arguments):
    """Seconds until no connection is open and a short request of its own is answered."""
    start = time.perf_counter()
    while (await get(arguments, "/stats"))["active_websocket_connections"] > 0:
        if time.perf_counter() - start > 20:
            return None
        await asyncio.sleep(0.02)
    short = argparse.Namespace(**vars(arguments) | {"tokens": 2})
    await stream(short, 1)
    return time.perf_counter() - start


def memory(pid):
    """Megabytes of the process and of the GPU, where there are any."""
    found = {}
    if pid:
        for line in open(f"/proc/{pid}/status"):
            if line.startswith("VmRSS:"):
                found["process_megabytes"] = int(line.split()[1]) // 1024
    try:
        query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        found["gpu_megabytes"] = int(subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0])
    except (OSError, subprocess.CalledProcessError, IndexError):
        pass
    return found


async def run(arguments):
    problems, memories = [], []

    def record(part, **figures):
        line = dict(part=part, streams=arguments.streams, tokens=arguments.tokens) | figures
        with open(arguments.out, "a") as out:
            out.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)

    for turn in range(arguments.rounds + 1):
        ways = ["whole"] if turn == 0 else ["whole", "drop", "cancel"]
        start = time.perf_counter()
        calls = (stream(arguments, i, ways[i % len(ways)]) for i in range(arguments.streams))
        results = await asyncio.gather(*calls, return_exceptions=True)
        seconds = time.perf_counter() - start
        failed = [str(r) if isinstance(r, BaseException) else r["problem"] for r in results]
        failed = [problem for problem in failed if problem]
        problems += failed
        good = [r for r in results if isinstance(r, dict) and r.get("first")]
        tokens = sum(r["tokens"] for r in good)
        figures = dict(tokens_per_second=tokens / seconds, problems=len(failed), idle_after=await idle(arguments))
        if good:
            figures["first_token_p50"] = statistics.median(r["first"] for r in good)
        memories.append(memory(arguments.pid))
        record("streams" if turn == 0 else "drops and cancels", round=turn, **figures, **memories[-1])
        if figures["idle_after"] is None:
            problems.append(f"round {turn}: connections stay open")
    for key in memories[0]:
        # The first rounds touch what later ones use again.
        settled, last = memories[min(2, len(memories) - 1)][key], memories[-1][key]
        if last > settled * 1.05 + 50:
            problems.append(f"{key} grew from {settled} to {last}")
    if problems:
        sys.exit("\n".join(problems[:20]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--streams", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--pid", type=int)
    parser.add_argument("--out", required=True)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
