#!/usr/bin/env bash
# Starts ./worker and talks to it as the seed's README does: curl, wscat, Python's websockets, the retry loop.
# Then OpenAI's Python client. Needs curl, wscat (npm install -g wscat) and Python with websockets, requests and openai
# (PYTHON names it, default python3).
# usage: src/test/clients/run.sh [PORT]
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source=src/test/clients/servers.sh
. src/test/clients/servers.sh
port=${1:-28081}
start_worker worker "$port"
answers "$port"

ping=$(curl -sS -X GET "http://localhost:$port/ping" -H "Authorization: Bearer RUNPOD_API_KEY")
[ "$ping" = '{"status":"healthy"}' ] || fail "ping answered $ping"

answer=$(curl -sS -X POST "http://localhost:$port/generate" \
    -H "Authorization: Bearer RUNPOD_API_KEY" \
    -H "Content-Type: application/json" \
    -d '{"prompt": "Hello, world!", "max_tokens": 50, "temperature": 0.8}')
case $answer in
    '{"generated_text":"'?*'"}') echo "$answer" ;;
    *) fail "generate answered $answer" ;;
esac

stats=$(curl -sS -X GET "http://localhost:$port/stats" -H "Authorization: Bearer RUNPOD_API_KEY")
[ "$stats" = '{"total_requests":1,"active_websocket_connections":0}' ] || fail "stats answered $stats"

"$python" $here/wscat_session.py "ws://localhost:$port/ws" || fail "wscat"
"$python" $here/test_ws.py "ws://localhost:$port/ws?token=EPHEMERAL" || fail "websockets"
"$python" $here/openai_client.py "http://localhost:$port/v1" || fail "OpenAI's client"
grep -q EPHEMERAL "$folder/worker.log" && fail "the token is in the log"
echo "the seed's clients and OpenAI's work unchanged"
