#!/usr/bin/env bash
# Runs the scaling tests against two workers (without a model) behind each real proxy of this folder that is
# installed, with its example configuration, and checks that the verdicts are what is known of that proxy. Then nginx and
# HAProxy once more with an idle timeout of 4 s, which must be found.
# usage: scaling-tests/proxies/run.sh [nginx|haproxy|caddy|traefik …]
# Reports go to target/scaling-proxies. Needs the built worker (target/worker.jar) and: apt-get install nginx-light
# haproxy caddy. DURATION=340 holds WebSockets past RunPod's cut; 8 s otherwise. With ENGINE=djl and
# MODEL=… the workers write real text, slowly enough to see that each proxy passes a token on at once; only that is tested.
set -euo pipefail
cd "$(dirname "$0")/../.."
configs=scaling-tests/proxies
out=target/scaling-proxies
duration=${DURATION:-8}
engine=${ENGINE:-mock}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
first_port=${FIRST_PORT:-28300}
proxy_port=$first_port
worker_ports=($((first_port + 1)) $((first_port + 2)))
mkdir -p "$out"
pids=()

# shellcheck disable=SC2329 # called by the trap
stop_all() {
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
    wait
}
trap stop_all EXIT

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

await() {
    for _ in $(seq 300); do
        ! curl -sf "http://127.0.0.1:$1/ping" >/dev/null || return 0
        sleep 0.2
    done
    fail "nothing answers at port $1"
}

start_workers() {
    local i
    for i in 0 1; do
        ENGINE=$engine THREADS=1 HOST=127.0.0.1 PORT=${worker_ports[i]} RUNPOD_POD_ID=worker$((i + 1)) "$java" \
            --enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow -XX:+UseSerialGC \
            -cp target/worker.jar dev.llmworker.Worker >"$out/worker$((i + 1)).log" 2>&1 &
        pids+=($!)
    done
    await "${worker_ports[0]}"
    await "${worker_ports[1]}"
}

# The example with this run's ports, and what else $2 (a sed script) changes, in a folder of its own.
prepare() {
    local folder=$out/$1 file
    rm -rf "$folder"
    mkdir -p "$folder"
    for file in nginx.conf haproxy.cfg Caddyfile traefik.yaml traefik-routes.yaml; do
        sed -e "s/:8080\b/:$proxy_port/; s/:8081\b/:${worker_ports[0]}/g; s/:8082\b/:${worker_ports[1]}/g" \
            -e "${2:-}" "$configs/$file" >"$folder/$file"
    done
    (cd "$folder" && pwd)
}

# Starts proxy $1 with the files in folder $2; its process is in $proxy.
start_proxy() {
    local log=$2/proxy.log
    case $1 in
        nginx)
            nginx -t -p "$2" -c "$2/nginx.conf" 2>"$log" || fail "nginx -t: $(<"$log")"
            nginx -p "$2" -c "$2/nginx.conf" -g 'daemon off;' 2>"$log" &
            ;;
        haproxy)
            haproxy -c -f "$2/haproxy.cfg" >"$log" 2>&1 || fail "haproxy -c: $(<"$log")"
            haproxy -f "$2/haproxy.cfg" 2>"$log" &
            ;;
        caddy)
            caddy validate --adapter caddyfile --config "$2/Caddyfile" >"$log" 2>&1 || fail "caddy validate: $(<"$log")"
            XDG_DATA_HOME=$2 XDG_CONFIG_HOME=$2 caddy run --adapter caddyfile --config "$2/Caddyfile" 2>"$log" &
            ;;
        traefik)
            (cd "$2" && exec traefik --configFile=traefik.yaml) >"$log" 2>&1 &
            ;;
        *) fail "no proxy $1 here" ;;
    esac
    proxy=$!
    pids+=("$proxy")
    await "$proxy_port"
}

stop_proxy() {
    kill "$proxy"
    wait "$proxy" || true
}

# Runs the scaling tests; report $1. Their exit status is in $status.
test_scaling() {
    status=0
    "$java" scaling-tests/ScalingTest.java --url "http://127.0.0.1:$proxy_port" --token EPHEMERAL-TOKEN \
        --token-in url --connections 10 --duration "$duration" --health-polls 8 --health-interval 0.5 --timeout 20 \
        --json "$out/$1.json" --html "$out/$1.html" 2>"$out/$1.log" || status=$?
}

answer() {
    sed -n "/\"$2\": {/,/\"answer\"/s/.*\"answer\": \"\(.*\)\".*/\1/p" "$out/$1.json"
}

expect() {
    [ "$(answer "$1" "$2")" = "$3" ] || fail "$1: $2 is $(answer "$1" "$2"), and should be $3"
}

# Whether tokens came one by one in report $1: those that were held back come together, with nothing between.
is_streamed() {
    awk -F'[:,]' '
        /"over"/ { over = $2 }
        /_millis"/ { part = $1 }
        /"p50"/ && part ~ /between/ && over !~ /http/ { seen++; if ($2 < 1) held++ }
        END { exit seen == 0 || held > 0 }' "$1"
}

proxies=("$@")
[ $# -gt 0 ] || for name in nginx haproxy caddy traefik; do
    if command -v $name >/dev/null; then proxies+=("$name"); else echo "$name is not installed, and left out"; fi
done
# The load test; report $1, other arguments go to it.
test_load() {
    "$java" scaling-tests/LoadTest.java --url "http://127.0.0.1:$proxy_port" --token EPHEMERAL-TOKEN --max-tokens 64 \
        "${@:2}" --json "$out/$1.json" --html "$out/$1.html" 2>"$out/$1.log" || fail "LoadTest; see $out/$1.log"
}

test_verdicts() {
    local name=$1
    start_proxy "$name" "$(prepare "$name")"
    test_scaling "$name"
    [ "$status" -eq 0 ] || fail "$name: ScalingTest ended with $status; see $out/$name.log"
    expect "$name" socket_cut no
    expect "$name" upgrades_serialise no
    expect "$name" affinity yes
    expect "$name" proxy_closes_idle no
    test_load "$name-load" --streams 1,8
    stop_proxy
    ! grep -rq EPHEMERAL-TOKEN "$out/$name" "$out"/worker?.log || fail "$name: the token is in a log"
}

# With an idle timeout of 4 s, where the proxy has one.
test_idle_timeout() {
    local name=$1 change
    case $name in
        nginx) change='s/proxy_read_timeout 3600s/proxy_read_timeout 4s/' ;;
        haproxy) change='s/timeout tunnel 3600s/timeout tunnel 4s/' ;;
        *) return 0 ;;
    esac
    printf '\n== %s, idle timeout 4 s\n' "$name"
    start_proxy "$name" "$(prepare "$name-idle" "$change")"
    test_scaling "$name-idle"
    [ "$status" -eq 1 ] || fail "$name: ScalingTest ended with $status though the proxy cuts idle WebSockets"
    expect "$name-idle" proxy_closes_idle yes
    expect "$name-idle" socket_cut yes
    stop_proxy
}

# With real text, whose tokens take their time.
test_streaming() {
    start_proxy "$1" "$(prepare "$1-text")"
    test_load "$1-text" --streams 1 --over sse,websocket --requests 2 --max-tokens 24 --timeout 300
    is_streamed "$out/$1-text.json" || fail "$1: it holds tokens back"
    stop_proxy
}

start_workers
for name in "${proxies[@]}"; do
    printf '\n== %s\n' "$name"
    if [ "$engine" = mock ]; then
        test_verdicts "$name"
        test_idle_timeout "$name"
    else
        test_streaming "$name"
    fi
done
echo
echo "all as expected; reports in $out"
