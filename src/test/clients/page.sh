#!/usr/bin/env bash
# Starts ./worker with the starter model, and uses its page as people do, in a real Chromium without a screen.
# Needs chromium (CHROMIUM names it), node, and playwright-core and axe-core in the folder that NODE_MODULES names.
# usage: src/test/clients/page.sh [FOLDER]   FOLDER gets screenshots
set -euo pipefail
cd "$(dirname "$0")/../../.."
port=${PAGE_PORT:-28082}
log=$(mktemp)
PORT=$port HOST=127.0.0.1 ./worker >"$log" 2>&1 &
worker=$!
# shellcheck disable=SC2329 # called by the trap
stop() {
    kill "$worker" 2>/dev/null || true
    wait "$worker" 2>/dev/null || true
    rm -f "$log"
}
trap stop EXIT

# The first start builds and fetches.
for _ in $(seq 300); do
    curl -fsS -o /dev/null "http://127.0.0.1:$port/" 2>/dev/null && break
    sleep 1
done
if ! node src/test/clients/page.mjs "http://127.0.0.1:$port" ${1:+"$1"}; then
    cat "$log" >&2
    exit 1
fi
