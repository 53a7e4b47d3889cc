#!/usr/bin/env bash
# Puts the worker in front of real servers of OpenAI's API and checks what clients see. By hand; the figures are in
# docs/scaling.md and docs/performance.md.
# usage: src/test/remote/run.sh llama LLAMA_SERVER MODEL.gguf    two of llama.cpp's servers, one of them stopped meanwhile
#        src/test/remote/run.sh ray                              Ray Serve with a small app: pip install 'ray[serve]'
# Needs Python with openai and websockets, for `ray` also ray[serve]: PYTHON names it, default python3.
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=src/test/remote
python=${PYTHON:-python3}
port=${PORT:-28181}
logs=$(mktemp -d)
started=()
# shellcheck disable=SC2329 # called by the trap
stop() {
    for process in "${started[@]}"; do
        kill "$process" 2>/dev/null || true
    done
    wait
}
trap stop EXIT

background() {
    local log=$1
    shift
    "$@" >"$logs/$log" 2>&1 &
    started+=($!)
}

worker() {
    mkdir -p "$logs/routes"
    cp routes/*.yaml routes/*.properties $here/*.camel.yaml "$logs/routes"
    PORT=$port HOST=127.0.0.1 ENGINE=openai ENGINE_BASE_URL=$1 ROUTES=$logs/routes ROUTE_TOOLS=colours \
        background worker.log ./worker
    "$python" src/test/clients/wait_for_worker.py "http://localhost:$port" || {
        cat "$logs"/worker.log >&2
        exit 1
    }
}

case ${1:-} in
llama)
    flags=(-m "$3" --host 127.0.0.1 -t 1 -np 8 -c 8192 -fa on --no-webui --cache-ram 0 --jinja)
    background llama1.log "$2" "${flags[@]}" --port $((port + 1))
    first=$!
    background llama2.log "$2" "${flags[@]}" --port $((port + 2))
    worker "http://127.0.0.1:$((port + 1)),http://127.0.0.1:$((port + 2))/v1"
    "$python" $here/check.py "http://localhost:$port"
    # The one that has gone is left out; what ran there before its first token goes to the other.
    kill "$first"
    "$python" $here/check.py "http://localhost:$port"
    ;;
ray)
    background ray.log "$python" $here/ray_app.py $((port + 1))
    worker "http://127.0.0.1:$((port + 1))"
    "$python" $here/check.py "http://localhost:$port" --small-app
    ;;
*)
    sed -n '2,6p' "$0" >&2
    exit 2
    ;;
esac
grep -h -E "is ready|is gone|ejected| called " "$logs/worker.log" || true
