"""A small server of OpenAI's API with the faults that a test asks for.

usage: faulty_server.py --port PORT [--started FILE] [FAULT…]

    crash[=FILE]   prints why and ends with 3, until FILE exists
    leave          ends with 0 at once
    slow=FILE      is not healthy until FILE exists
    stubborn       ignores SIGTERM
    flood          prints 50,000 lines at the start
    answers=FILE   ends no answer until FILE exists
    forks          has two processes of its own, one of them in a session of its own

`/v1/models` names a model whose name says who the server is: `pid=… argv=… env=…`. A prompt with `wait` gets one token
and no end. `--started` names a file that gets a line `PID PORT` for each start, and one `PID -` for each process of its own.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port = int(sys.argv[sys.argv.index("--port") + 1])
faults = dict((word.partition("=")[0], word.partition("=")[2]) for word in sys.argv[1:])
record = sys.argv[sys.argv.index("--started") + 1] if "--started" in sys.argv else os.devnull


def started(pid, at):
    with open(record, "a") as file:
        file.write(f"{pid} {at}\n")


started(os.getpid(), port)
if "crash" in faults and not os.path.exists(faults["crash"]):
    print("Traceback\nMemoryError: no memory for the weights", file=sys.stderr)
    sys.exit(3)
if "leave" in faults:
    sys.exit(0)
if "stubborn" in faults:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "flood" in faults:
    for number in range(50_000):
        print(f"\x1b[31mloading\x1b[0m {number}")
    sys.stdout.flush()
if "forks" in faults:
    for own_session in (False, True):
        started(subprocess.Popen(["sleep", "600"], start_new_session=own_session).pid, "-")

shown = [name for name in ("API_KEYS", "PORT", "HF_TOKEN", "PATH") if name in os.environ]
model = f"pid={os.getpid()} argv={json.dumps(sys.argv[1:])} env={','.join(shown)}"


def event(text, reason=None):
    choice = {"index": 0, "delta": {"content": text}, "text": text, "finish_reason": reason}
    return f"data: {json.dumps({'choices': [choice]})}\n\n".encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        ready = "slow" not in faults or os.path.exists(faults["slow"])
        self.answer(200 if ready else 503, {"data": [{"id": model}]})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(event("hello"))
        self.wfile.flush()
        if b"wait" in body:
            threading.Event().wait()
        while "answers" in faults and not os.path.exists(faults["answers"]):
            self.wfile.write(event("."))
            self.wfile.flush()
            time.sleep(0.05)
        self.wfile.write(event("", "stop") + b"data: [DONE]\n\n")
        self.close_connection = True

    def log_message(self, *_):
        pass


ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
