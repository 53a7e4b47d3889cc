#!/usr/bin/env bash
# Starts ./worker with the starter model, and uses its page as people do, in a real Chromium without a screen.
# Needs chromium (CHROMIUM names it), node, and playwright-core and axe-core in the folder that NODE_MODULES names.
# usage: src/test/clients/page.sh [FOLDER]   FOLDER gets screenshots
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source=src/test/clients/servers.sh
. src/test/clients/servers.sh
port=${PAGE_PORT:-28082}
start_worker worker "$port"

# The first start builds and fetches.
for _ in $(seq 300); do
    curl -fsS -o /dev/null "http://127.0.0.1:$port/" 2>/dev/null && break
    sleep 1
done
node $here/page.mjs "http://127.0.0.1:$port" ${1:+"$1"} || fail "the page"
