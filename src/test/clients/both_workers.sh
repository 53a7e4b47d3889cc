# shellcheck shell=bash
# Starts two workers for clients, and stops them at the end: ./worker with the starter model, and testing.ScriptedWorker.
# The script that reads this file is in the folder of the checkout, and has set PORT to the first of two free ports.
# Sets `real` and `scripted`, the addresses of the two, and the function `fail`.
python=${PYTHON:-python3}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
real=http://127.0.0.1:$PORT
scripted=http://127.0.0.1:$((PORT + 1))
logs=$(mktemp -d)
PORT=$PORT HOST=127.0.0.1 ./worker >"$logs/worker" 2>&1 &
workers=$!
"$java" --enable-native-access=ALL-UNNAMED -cp "target/test-classes:target/classes:target/lib/*" \
    dev.llmworker.testing.ScriptedWorker "$((PORT + 1))" >"$logs/scripted" 2>&1 &
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
    "$python" src/test/clients/wait_for_worker.py "$url" || fail "$url does not answer"
done
