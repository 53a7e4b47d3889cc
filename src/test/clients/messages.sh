#!/usr/bin/env bash
# Anthropic's clients for Python and JavaScript, against ./worker with the starter model and against testing.ScriptedWorker.
# Needs target/test-classes and target/lib, Java 25 (JAVA_HOME names it), Python (PYTHON names it, default python3) with
# `requests` and `anthropic`, and node with `@anthropic-ai/sdk`. NODE_MODULES names the folder of node's.
# usage: src/test/clients/messages.sh [PORT]
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source=src/test/clients/servers.sh
. src/test/clients/servers.sh
start_both_workers "${1:-28085}"
"$python" $here/anthropic_client.py "$real" "$scripted" || fail "Anthropic's client for Python"
node $here/messages.mjs "$real" "$scripted" || fail "Anthropic's client for JavaScript"
