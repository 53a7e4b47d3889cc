#!/usr/bin/env bash
# Healthy when /ping answers 200. The image has no curl, and bash speaks no TLS: with a certificate the worker answers on a
# plain port of this container, too.
port=${PORT:-80}
if [[ -n ${PORT_HEALTH:-} ]]; then
  port=$PORT_HEALTH
elif [[ -n ${TLS_CERT:-} ]]; then
  port=${PORT_HEALTH_LOCAL:-$port}
fi
exec 3<>"/dev/tcp/127.0.0.1/$port" || exit 1
printf 'GET /ping HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
read -r -t 2 _ status _ <&3
[[ $status == 200 ]]
