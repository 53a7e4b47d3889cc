#!/usr/bin/env bash
# The official MCP client for Python against /mcp of ./worker, whose tools are routes: with the newest version of the protocol and with
# `initialize`, as older clients begin. No model is needed.
# Needs ./worker's requirements, and Python (PYTHON names it, default python3) with `mcp` 2 or newer and `requests`.
# usage: src/test/clients/mcp.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source=src/test/clients/servers.sh
. src/test/clients/servers.sh
read -r port orders < <(free_ports 2)

mkdir "$folder/routes"
cp routes/*.yaml routes/application.properties routes/examples/orders.camel.yaml "$folder/routes/"
cp $here/mcp_tools.camel.yaml "$folder/routes/tools.camel.yaml"
echo "a-key-for-the-mcp-client requests_per_minute=1000" >"$folder/keys"
start_worker worker "$port" ENGINE=mock ROUTES="$folder/routes" ROUTES_RELOAD=true API_KEYS_FILE="$folder/keys" \
    MCP_TOOLS=orders,tests ORDERS_URL="http://127.0.0.1:$orders/orders"
answers "$port"
"$python" $here/mcp_client.py "http://127.0.0.1:$port/mcp" a-key-for-the-mcp-client "$orders" "$folder/routes" ||
    fail "the client"
grep -q 'called .*tool=findOrder .*outcome=ok' "$folder/worker.log" || fail "no line for a call of findOrder"
grep -q 'called .*tool=wait .*outcome=cancelled' "$folder/worker.log" || fail "no line for a call that was cancelled"
if grep -q 'evil.example' "$folder/worker.log"; then
    fail "the log has an argument"
fi
echo "the official client uses routes as tools"
