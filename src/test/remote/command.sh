#!/usr/bin/env bash
# Lets the worker start llama.cpp's server by ENGINE_COMMAND, and breaks that server in every way. By hand; docs/remote-engine.md
# has what it showed.
# usage: src/test/remote/command.sh LLAMA_SERVER MODEL.gguf
# WORKER: another command that starts the worker, default ./worker. Needs curl and pgrep.
set -euo pipefail
cd "$(dirname "$0")/../../.."
[[ $# == 2 ]] || { sed -n '2,6p' "$0" >&2; exit 2; }
server=$(realpath "$1")
MODEL=$(realpath "$2")
export MODEL MAX_MODEL_LEN=1024 ENGINE=openai HOST=127.0.0.1 PORT=${PORT:-28281}
export ENGINE_HANG_TIMEOUT=5 ENGINE_FAILURE_EXIT=5
url=http://127.0.0.1:$PORT
flags="-m {model_path} -c {context} --host 127.0.0.1 --port {port} -t 1 --no-webui"
work=$(mktemp -d)
log=$work/log
worker=

# shellcheck disable=SC2329 # called by the trap
stop() {
    [[ -z $worker ]] || kill -9 "$worker" 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT

fail() {
    echo "FAILED: $*" >&2
    cat "$log" >&2
    exit 1
}

# Starts the worker with an ENGINE_COMMAND.
start() {
    # shellcheck disable=SC2086 # a command of several words
    ENGINE_COMMAND=$1 exec_worker ${WORKER:-./worker}
}

exec_worker() {
    "$@" >"$log" 2>&1 </dev/null &
    worker=$!
}

ping() {
    curl -s -o /dev/null -m 5 -w '%{http_code}' "$url/ping" || true
}

# Waits up to two minutes until /ping answers the status. Other answers than the allowed ones fail.
await_ping() {
    local wanted=$1 allowed=" $1 ${*:2} " got
    for _ in $(seq 1200); do
        got=$(ping)
        [[ $got != "$wanted" ]] || return 0
        [[ $allowed == *" $got "* ]] || fail "/ping answers $got while it should answer $wanted"
        sleep 0.1
    done
    fail "/ping does not answer $wanted"
}

# The processes of the server that runs now.
servers() {
    pgrep -f "^$server -m .* --port $(sed -n 's/.*starting the engine.s server .* at port //p' "$log" | tail -n 1) " || true
}

await_none() {
    for _ in $(seq 200); do
        [[ -n $(pgrep -f "^$server -m $MODEL -c $MAX_MODEL_LEN ") ]] || return 0
        sleep 0.1
    done
    fail "a server is left"
}

# Waits until the log has a line.
await_line() {
    for _ in $(seq 600); do
        ! grep -q "$1" "$log" || return 0
        sleep 0.1
    done
    fail "the log lacks: $1"
}

generate() {
    local answer
    answer=$(curl -s -m 60 -d '{"prompt":"Say hello.","max_tokens":4,"temperature":0}' "$url/generate") || true
    [[ $answer == *generated_text* ]] || fail "no answer"
}

stream() {
    curl -s -m 60 -N -d '{"prompt":"Count to a thousand.","max_tokens":'"$1"',"ignore_eos":true,"stream":true}' \
        "$url/generate" >"$work/stream" &
    curl=$!
    for _ in $(seq 300); do
        ! grep -q token "$work/stream" || return 0
        sleep 0.1
    done
    fail "the stream does not begin"
}

# Waits until the worker has ended with a status, and its server too.
await_end() {
    local status=0
    wait "$worker" || status=$?
    worker=
    [[ $status == "$1" ]] || fail "the worker ended with $status"
    await_none
}

start "$server $flags"
await_ping 200 000 204
generate
echo "ok   it starts, and answers"

stream 800
kill -9 "$(servers)"
wait "$curl" || true
grep -q '"error":"the engine.s server ended its answer too early"' "$work/stream" || fail "the stream has no error"
await_line "was killed by signal 9"
await_ping 200 204
generate
echo "ok   kill -9: the stream ends with an error, /ping was 204 until it served again"

kill -STOP "$(servers)"
await_line "hangs: it passed no health check"
await_ping 200 204
generate
grep -q '^llmworker_engine_restarts_total 2' <<<"$(curl -s "$url/metrics")" || fail "not two restarts"
echo "ok   hang: it was killed and started again"

stream 100
kill "$worker"
wait "$curl"
[[ $(tail -n 2 "$work/stream") == *'"done":true'* ]] || fail "the stream was cut"
await_end 143
echo "ok   SIGTERM: the stream ended first, then the server"

start "bash -c 'until [[ -e $work/go ]]; do sleep 0.1; done; exec \"\$@\"' slow $server $flags"
await_ping 204 000
await_line "serving on"
early=$(curl -s -m 5 -o /dev/null -w '%{http_code} %header{retry-after}' -d '{"prompt":"x"}' "$url/generate") || true
[[ $early == '503 '[0-9]* ]] || fail "no 503 with Retry-After while the server starts"
touch "$work/go"
await_ping 200 204
generate
kill -9 "$worker"
await_end 137
echo "ok   slow start: 204 and 503 with Retry-After; kill -9 of the worker ended the server, too"

cat >"$work/taken" <<TAKEN
port=\$1; shift
if mkdir "$work/was-taken" 2>/dev/null; then
  $(command -v python3) -I -m http.server --bind 127.0.0.1 "\$port" &
  until (: <"/dev/tcp/127.0.0.1/\$port") 2>/dev/null; do sleep 0.1; done
fi
exec "\$@"
TAKEN
start "bash $work/taken {port} $server $flags"
await_ping 200 000 204
generate
grep -q "it is started again" "$log" || fail "the port was not taken"
kill "$worker"
await_end 143
echo "ok   port taken: it was started again at another one"

start "$server -m /no/such.gguf --host 127.0.0.1 --port {port}"
await_ping 503 000 204
await_line "the worker exits in 5 s: the engine's server keeps ending: it ended with status 1"
await_end 1
echo "ok   crash loop: /ping was 503, and the worker ended with 1"
