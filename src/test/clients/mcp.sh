#!/usr/bin/env bash
# The official MCP client for Python against /mcp of ./worker, whose tools are routes: with the newest version of the protocol and with
# `initialize`, as older clients begin. No model is needed.
# Needs ./worker's requirements, and Python (PYTHON names it, default python3) with `mcp` 2 or newer and `requests`.
# usage: src/test/clients/mcp.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=src/test/clients
python=${PYTHON:-python3}
folder=$(mktemp -d)
# Both sockets are open at once, so that the ports differ.
read -r port orders < <("$python" -c '
import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))')

processes=
# shellcheck disable=SC2329 # called by the trap
stop() {
    # shellcheck disable=SC2086 # several numbers
    kill $processes 2>/dev/null || true
    wait
    rm -rf "$folder"
}
trap stop EXIT

fail() {
    echo "FAILED: $*" >&2
    tail -n 50 "$folder"/*.log >&2
    exit 1
}

mkdir "$folder/routes"
cp routes/*.yaml routes/application.properties routes/examples/orders.camel.yaml "$folder/routes/"
cp $here/mcp_tools.camel.yaml "$folder/routes/tools.camel.yaml"
echo "a-key-for-the-mcp-client requests_per_minute=1000" >"$folder/keys"
ENGINE=mock HOST=127.0.0.1 PORT=$port ROUTES=$folder/routes ROUTES_RELOAD=true API_KEYS_FILE=$folder/keys \
    MCP_TOOLS=orders,tests ORDERS_URL=http://127.0.0.1:$orders/orders ./worker >"$folder/worker.log" 2>&1 &
processes="$processes $!"
"$python" $here/wait_for_worker.py "http://127.0.0.1:$port" || fail "the worker does not answer"
"$python" $here/mcp_client.py "http://127.0.0.1:$port/mcp" a-key-for-the-mcp-client "$orders" "$folder/routes" ||
    fail "the client"
grep -q 'called .*tool=findOrder .*outcome=ok' "$folder/worker.log" || fail "no line for a call of findOrder"
grep -q 'called .*tool=wait .*outcome=cancelled' "$folder/worker.log" || fail "no line for a call that was cancelled"
if grep -q 'evil.example' "$folder/worker.log"; then
    fail "the log has an argument"
fi
echo "the official client uses routes as tools"
