#!/usr/bin/env bash
# Starts ./worker with the mock engine, and nginx in front of it as Debian configures it: with nothing but proxy_pass, so
# it speaks HTTP/1.0 to the worker. Then OpenAI's Python client and requests read streams, directly and through nginx.
# Needs nginx, and Python with requests and openai (PYTHON names it, default python3).
# usage: src/test/clients/proxy.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source=src/test/clients/servers.sh
. src/test/clients/servers.sh
read -r port proxy < <(free_ports 2)
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

start_worker worker "$port" ENGINE=mock
start nginx nginx -c "$folder/nginx.conf" -e "$folder/error.log"
answers "$proxy"
for base in "http://127.0.0.1:$port" "http://127.0.0.1:$proxy"; do
    "$python" $here/proxied_client.py "$base" || fail "streams from $base"
done
if grep -q ERROR "$folder/worker.log"; then
    fail "the worker logged an error"
fi
echo "streams come through nginx as it is"
