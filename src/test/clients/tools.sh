#!/usr/bin/env bash
# Clients that call tools, against ./worker with the starter model and against testing.ScriptedWorker: OpenAI's for Python and
# JavaScript, LangChain, the AI SDK, LangChain4j. Then 300 random schemas at temperature 1.5.
# Needs target/test-classes and target/lib, Java 25 (JAVA_HOME names it), Maven, Python (PYTHON names it, default python3) and
# node. CONTRIBUTING.md lists their libraries. NODE_MODULES names the folder of node's.
# usage: src/test/clients/tools.sh [PORT]
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=src/test/clients
port=${1:-28083}
python=${PYTHON:-python3}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
real=http://127.0.0.1:$port/v1
scripted=http://127.0.0.1:$((port + 1))/v1
logs=$(mktemp -d)
PORT=$port HOST=127.0.0.1 ./worker >"$logs/worker" 2>&1 &
workers=$!
"$java" --enable-native-access=ALL-UNNAMED -cp "target/test-classes:target/classes:target/lib/*" \
    dev.llmworker.testing.ScriptedWorker "$((port + 1))" >"$logs/scripted" 2>&1 &
workers="$workers $!"
# shellcheck disable=SC2329 # called by the trap
stop() {
    # shellcheck disable=SC2086 # two numbers
    kill $workers 2>/dev/null || true
    wait
    rm -rf "$logs"
}
trap stop EXIT

fail() {
    echo "FAILED: $*" >&2
    tail -n 50 "$logs"/* >&2
    exit 1
}

for url in "$real" "$scripted"; do
    "$python" $here/wait_for_worker.py "${url%/v1}" || fail "$url does not answer"
done
"$python" $here/openai_tools.py "$real" "$scripted" || fail "OpenAI's client for Python"
"$python" $here/langchain_agent.py "$scripted" || fail "LangChain"
node $here/tools.mjs "$real" "$scripted" || fail "OpenAI's client for JavaScript, or the AI SDK"
mvn -q -B -ntp -f $here/langchain4j/pom.xml dependency:build-classpath "-Dmdep.outputFile=$logs/classpath" >/dev/null
"$java" -cp "$(cat "$logs/classpath")" $here/langchain4j/AiService.java "$real" "$scripted" 2>/dev/null || fail "LangChain4j"
"$python" $here/random_schemas.py "$real" 300 || fail "random schemas"
