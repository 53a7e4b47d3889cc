#!/usr/bin/env bash
# Healthy when /ping answers 200. The image has no curl.
exec 3<>"/dev/tcp/127.0.0.1/${PORT:-80}" || exit 1
printf 'GET /ping HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
read -r -t 2 _ status _ <&3
[[ $status == 200 ]]
