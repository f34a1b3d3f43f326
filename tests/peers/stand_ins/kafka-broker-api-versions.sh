#!/bin/bash
# Whether the broker of `--bootstrap-server HOST:PORT` tells its versions (Kafka protocol: key 18).
# The program of this name comes with Kafka's archive, not with its Maven artifacts.
set -euo pipefail
[ "$1" = --bootstrap-server ]
exec 3<>"/dev/tcp/${2%:*}/${2#*:}"
printf '\0\0\0\x0f\0\x12\0\0\0\0\0\x01\0\x05probe' >&3
head -c 10 <&3 | od -An -tx1
