#!/usr/bin/env bash
# OpenAI's clients for Python, JavaScript and Java, by the API of responses over HTTP and WebSocket, against ./worker with the
# starter model and against testing.ScriptedWorker.
# Needs target/test-classes and target/lib, Java 25 (JAVA_HOME names it), Maven, Python (PYTHON names it, default python3) with
# `requests`, `openai` and `websockets`, and node with `openai` and `ws`. NODE_MODULES names the folder of node's.
# usage: src/test/clients/responses.sh [PORT]
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source=src/test/clients/servers.sh
. src/test/clients/servers.sh
start_both_workers "${1:-28087}"
"$python" $here/responses_client.py "$real" "$scripted" || fail "OpenAI's client for Python"
node $here/responses.mjs "$real" "$scripted" || fail "OpenAI's client for JavaScript"
mvn -q -B -ntp -f $here/openai-java/pom.xml dependency:build-classpath "-Dmdep.outputFile=$folder/classpath" >/dev/null
"$java" -cp "$(cat "$folder/classpath")" $here/openai-java/Responses.java "$scripted" 2>/dev/null || fail "OpenAI's client for Java"
