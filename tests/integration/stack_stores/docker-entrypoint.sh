#!/bin/bash
# What the official images' entry points do, as far as docker-compose.yml relies on it.
set -euo pipefail

as() { exec setpriv --reuid="$1" --regid="$1" --init-groups "${@:2}"; }

initialize() {
  local password=/tmp/password
  install --owner=postgres --mode=0400 "$POSTGRES_PASSWORD_FILE" "$password"
  (as postgres initdb --username="$POSTGRES_USER" --pwfile="$password" \
    --auth-local=trust --auth-host=scram-sha-256)
  rm "$password"
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  echo "CREATE DATABASE $POSTGRES_DB" | (as postgres postgres --single postgres)
}

case $1 in
  postgres)
    chown postgres "$PGDATA"
    chmod 0700 "$PGDATA"
    [[ -f $PGDATA/PG_VERSION ]] || initialize
    as postgres postgres -c "listen_addresses=*" -c unix_socket_directories=/var/run/postgresql
    ;;
  redis-server)
    cd /data
    chown redis .
    as redis "$@"
    ;;
  *) exec "$@" ;;
esac
