#!/usr/bin/env bash
# Starts ./worker with the mock engine, and nginx in front of it as Debian configures it: with nothing but proxy_pass, so
# it speaks HTTP/1.0 to the worker. Then OpenAI's Python client and requests read streams, directly and through nginx.
# Needs nginx, and Python with requests and openai (PYTHON names it, default python3).
# usage: src/test/clients/proxy.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
python=${PYTHON:-python3}
folder=$(mktemp -d)
# Both sockets are open at once, so that the ports differ.
read -r port proxy < <("$python" -c '
import socket
a, b = socket.socket(), socket.socket()
for s in (a, b):
    s.bind(("127.0.0.1", 0))
print(a.getsockname()[1], b.getsockname()[1])')
cat >"$folder/nginx.conf" <<CONF
daemon off;
pid $folder/nginx.pid;
error_log $folder/error.log;
events {}
http {
    access_log off;
    client_body_temp_path $folder/body;
    proxy_temp_path $folder/proxy;
    fastcgi_temp_path $folder/fastcgi;
    uwsgi_temp_path $folder/uwsgi;
    scgi_temp_path $folder/scgi;
    upstream worker {
        server 127.0.0.1:$port;
    }
    server {
        listen 127.0.0.1:$proxy;
        location / {
            proxy_pass http://worker;
        }
    }
}
CONF

ENGINE=mock PORT=$port HOST=127.0.0.1 ./worker >"$folder/worker.log" 2>&1 &
worker=$!
nginx -c "$folder/nginx.conf" -e "$folder/error.log" &
nginx=$!
# shellcheck disable=SC2329 # called by the trap
stop() {
    kill "$nginx" "$worker" 2>/dev/null || true
    wait "$nginx" "$worker" 2>/dev/null || true
    rm -rf "$folder"
}
trap stop EXIT

fail() {
    echo "FAILED: $*" >&2
    cat "$folder/error.log" "$folder/worker.log" >&2
    exit 1
}

"$python" src/test/clients/wait_for_worker.py "http://127.0.0.1:$proxy" || fail "no worker behind nginx"
for base in "http://127.0.0.1:$port" "http://127.0.0.1:$proxy"; do
    "$python" src/test/clients/proxied_client.py "$base" || fail "streams from $base"
done
if grep -q ERROR "$folder/worker.log"; then
    fail "the worker logged an error"
fi
echo "streams come through nginx as it is"
