#!/bin/bash
# What the official image's entrypoint does with POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB:
# at the first start a server that only listens on the socket makes the database, then the real one
# starts. So between the two a check by the socket says that all is well and nobody can connect.
set -euo pipefail
PGDATA=${PGDATA:-/var/lib/postgresql/data}
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chown -R postgres "$PGDATA" /var/run/postgresql
    chmod 0700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    : "${POSTGRES_PASSWORD:?POSTGRES_PASSWORD must be given}"
    user=${POSTGRES_USER:-postgres}
    initdb -D "$PGDATA" -U "$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") -A trust
    printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
    pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start
    if [ "${POSTGRES_DB:-$user}" != postgres ]; then
        createdb -U "$user" "${POSTGRES_DB:-$user}"
    fi
    sleep "${STAND_IN_PAUSE_S:-3}" # What a bigger database's scripts take.
    pg_ctl -D "$PGDATA" -w -m fast stop
fi
exec postgres -D "$PGDATA" -c "listen_addresses=*"
