#!/usr/bin/env bash
# Clients that call tools, against ./worker with the starter model and against testing.ScriptedWorker: OpenAI's for Python and
# JavaScript, LangChain, the AI SDK, LangChain4j. Then 300 random schemas at temperature 1.5.
# Needs target/test-classes and target/lib, Java 25 (JAVA_HOME names it), Maven, Python (PYTHON names it, default python3) and
# node. CONTRIBUTING.md lists their libraries. NODE_MODULES names the folder of node's.
# usage: src/test/clients/tools.sh [PORT]
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source=src/test/clients/servers.sh
. src/test/clients/servers.sh
start_both_workers "${1:-28083}"
real=$real/v1
scripted=$scripted/v1
"$python" $here/openai_tools.py "$real" "$scripted" || fail "OpenAI's client for Python"
"$python" $here/langchain_agent.py "$scripted" || fail "LangChain"
node $here/tools.mjs "$real" "$scripted" || fail "OpenAI's client for JavaScript, or the AI SDK"
mvn -q -B -ntp -f $here/langchain4j/pom.xml dependency:build-classpath "-Dmdep.outputFile=$folder/classpath" >/dev/null
"$java" -cp "$(cat "$folder/classpath")" $here/langchain4j/AiService.java "$real" "$scripted" 2>/dev/null || fail "LangChain4j"
"$python" $here/random_schemas.py "$real" 300 || fail "random schemas"
