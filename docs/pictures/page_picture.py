#!/usr/bin/env python3
"""Takes the README's picture: asks a running worker one question on its page, and saves a screenshot.

    PORT=8080 ./worker
    python3 docs/pictures/page_picture.py http://localhost:8080 docs/pictures/page.png

Requires Chromium; the environment variable CHROMIUM names the program. The script drives it by the DevTools protocol over
two pipes: JSON messages, each ended by a zero byte.
"""

import base64
import json
import os
import subprocess
import sys
import tempfile
import time

WIDTH, HEIGHT = 900, 560
ANSWER_SECONDS = 120
POLL_SECONDS = 0.2
PROMPT = "Explain in three sentences what a load balancer does."
# Chromium reads commands from descriptor 3 and writes answers to descriptor 4.
COMMANDS_FD, ANSWERS_FD = 3, 4


class Browser:
    """Chromium without a window."""

    def __init__(self, profile: str):
        commands_read, commands_write = os.pipe()
        answers_read, answers_write = os.pipe()

        def connect_pipes() -> None:
            # Copies first: a pipe may already have one of the two numbers.
            commands, answers = os.dup(commands_read), os.dup(answers_write)
            os.dup2(commands, COMMANDS_FD)
            os.dup2(answers, ANSWERS_FD)

        self.process = subprocess.Popen(
            [os.environ.get("CHROMIUM", "chromium"), "--headless=new", "--no-sandbox", "--hide-scrollbars"]
            + ["--remote-debugging-pipe", "--user-data-dir=" + profile, "about:blank"],
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=connect_pipes,
        )
        os.close(commands_read)
        os.close(answers_write)
        self.commands, self.answers = commands_write, os.fdopen(answers_read, "rb")
        self.received = b""
        self.last_id = 0

    def call(self, method: str, session: str | None = None, **parameters: object) -> dict:
        """Sends a command and returns its result."""
        self.last_id += 1
        command: dict[str, object] = {"id": self.last_id, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        os.write(self.commands, json.dumps(command).encode() + b"\0")
        while True:
            answer = json.loads(self.read_message())
            if answer.get("id") == self.last_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def read_message(self) -> bytes:
        while b"\0" not in self.received:
            piece = self.answers.read1(65536)
            if not piece:
                raise RuntimeError("the browser has ended")
            self.received += piece
        message, self.received = self.received.split(b"\0", 1)
        return message

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def wait_until(browser: Browser, session: str, condition: str) -> None:
    end = time.monotonic() + ANSWER_SECONDS
    while True:
        answer = browser.call("Runtime.evaluate", session, expression=f"Boolean({condition})")
        if answer["result"].get("value"):
            return
        if time.monotonic() > end:
            raise RuntimeError("the page does not reach: " + condition)
        time.sleep(POLL_SECONDS)


def picture(browser: Browser, url: str) -> bytes:
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1.5, "mobile": False}
    browser.call("Emulation.setDeviceMetricsOverride", session, **size)
    browser.call("Page.navigate", session, url=url)
    wait_until(browser, session, "document.getElementById('state')?.dataset.kind == 'good'")
    browser.call(
        "Runtime.evaluate",
        session,
        expression="document.getElementById('temperature').value = '0';"
        f"document.getElementById('prompt').value = {json.dumps(PROMPT)};"
        "document.getElementById('send').click()",
    )
    wait_until(
        browser,
        session,
        "document.getElementById('stop').disabled && document.getElementById('speed').textContent",
    )
    return base64.b64decode(browser.call("Page.captureScreenshot", session, format="png")["data"])


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python3 docs/pictures/page_picture.py WORKER_URL FILE.png")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        chromium = Browser(folder)
        try:
            image = picture(chromium, sys.argv[1])
        finally:
            chromium.close()
    with open(sys.argv[2], "wb") as file:
        file.write(image)
