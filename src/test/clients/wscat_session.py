"""Drives `wscat` as the seed's README does: connects with a header, types one JSON line, reads until the done frame.

usage: wscat_session.py URL
"""
import os
import pty
import select
import sys
import time

LINE = b'{"prompt": "Tell me about load balancing", "max_tokens": 20}\n'
LIMIT_SECONDS = 60

pid, terminal = pty.fork()
if pid == 0:
    os.execvp("wscat", ["wscat", "--connect", sys.argv[1], "--header", "Authorization: Bearer RUNPOD_API_KEY"])
output, typed, end = b"", False, time.monotonic() + LIMIT_SECONDS
while time.monotonic() < end and b'"done":true' not in output:
    if not select.select([terminal], [], [], 1)[0]:
        continue
    try:
        output += os.read(terminal, 65536)
    except OSError:  # the terminal of a process that ended
        break
    if b"Connected" in output and not typed:
        os.write(terminal, LINE)
        typed = True
os.kill(pid, 15)
os.waitpid(pid, 0)
text = output.decode(errors="replace")
print(text)
sys.exit(0 if '"token":' in text and '"done":true,"total_tokens":20' in text.replace(" ", "") else 1)
