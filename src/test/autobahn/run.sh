#!/usr/bin/env bash
# Runs the Autobahn suite against the worker's WebSocket, over a route that sends each message back. It wants Python 2.7
# with `pip install autobahntestsuite==0.8.2`, whose interpreter PYTHON2 names, and what `mvn test-compile` builds.
# Left out: messages over the worker's limit of 1 MiB, and compression, which it does not offer.
set -euo pipefail
cd "$(dirname "$0")/../../.."

PYTHON2=${PYTHON2:-python2.7}
PORT=${PORT:-9001}
out=${1:-target/autobahn}
mkdir -p "$out"
out=$(cd "$out" && pwd)

cat >"$out/spec.json" <<EOF
{"outdir": "$out", "servers": [{"agent": "worker", "url": "ws://127.0.0.1:$PORT/echo"}], "cases": ["*"],
 "exclude-cases": ["9.1.4", "9.1.5", "9.1.6", "9.2.4", "9.2.5", "9.2.6", "9.3.*", "9.4.*", "12.*", "13.*"],
 "exclude-agent-cases": {}}
EOF

mvn -q -B -ntp test-compile dependency:build-classpath -Dmdep.outputFile="$out/classpath" -Dmdep.includeScope=test
"${JAVA_HOME:+$JAVA_HOME/bin/}java" --enable-native-access=ALL-UNNAMED \
    -cp "target/classes:target/test-classes:$(cat "$out/classpath")" \
    dev.llmworker.EchoWorker "$PORT" >"$out/worker.log" 2>&1 &
worker=$!
trap 'kill "$worker"' EXIT
# Not before: it answers 204 while its routes are loaded.
for _ in $(seq 120); do
    [[ $(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$PORT/ping") == 200 ]] && break
    sleep 0.5
done

"$PYTHON2" -c 'from autobahntestsuite.wstest import run; run()' -m fuzzingclient -s "$out/spec.json" >"$out/suite.log"

"$PYTHON2" - "$out/index.json" <<'EOF'
import json, sys
from collections import Counter
cases = json.load(open(sys.argv[1]))['worker']
bad = sorted(c for c, r in cases.items()
             if r['behavior'] not in ('OK', 'NON-STRICT', 'INFORMATIONAL')
             or r['behaviorClose'] not in ('OK', 'INFORMATIONAL'))
print(json.dumps(dict(Counter(r['behavior'] for r in cases.values()))))
print('failed: ' + (', '.join(bad) or 'none'))
sys.exit(1 if bad else 0)
EOF
