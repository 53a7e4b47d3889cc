# shellcheck shell=bash
# Starts servers for the client scripts, and stops them at the end. A script reads this file in the checkout's folder.
# Sets `here`, `python`, `java`, and `folder` for the script's files. The log of each server is `$folder/NAME.log`.
here=src/test/clients
python=${PYTHON:-python3}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
folder=$(mktemp -d)
processes=

# shellcheck disable=SC2329 # called by the trap
stop() {
    # shellcheck disable=SC2086 # several numbers
    kill $processes 2>/dev/null || true
    wait
    rm -rf "$folder"
}
trap stop EXIT

# fail MESSAGE: ends the script with the ends of all logs.
fail() {
    echo "FAILED: $*" >&2
    tail -n 50 "$folder"/*.log >&2
    exit 1
}

# free_ports NUMBER: prints ports that differ. All sockets are open at once.
free_ports() {
    "$python" -c '
import socket, sys
sockets = [socket.socket() for _ in range(int(sys.argv[1]))]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))' "$1"
}

# start NAME COMMAND…: starts a server.
start() {
    local name=$1
    shift
    "$@" >"$folder/$name.log" 2>&1 &
    processes="$processes $!"
}

# answers PORT: waits until the worker at this port can serve.
answers() {
    "$python" $here/wait_for_worker.py "http://127.0.0.1:$1" || fail "nothing answers at port $1"
}

# start_worker NAME PORT [VARIABLE=VALUE]…: starts ./worker, with the starter model unless a variable says otherwise.
start_worker() {
    local name=$1 port=$2
    shift 2
    start "$name" env HOST=127.0.0.1 PORT="$port" "$@" ./worker
}

# start_scripted PORT [CLASS_PATH]: starts testing.ScriptedWorker, whose model writes what a prompt tells it to.
start_scripted() {
    start scripted "$java" --enable-native-access=ALL-UNNAMED \
        -cp "target/test-classes:target/classes:target/lib/*${2:+:$2}" dev.llmworker.testing.ScriptedWorker "$1"
}

# start_both_workers PORT: starts ./worker with the starter model at PORT, and testing.ScriptedWorker at the next port.
# Sets `real` and `scripted`, their addresses.
start_both_workers() {
    # shellcheck disable=SC2034 # for the script that reads this file
    real=http://127.0.0.1:$1
    # shellcheck disable=SC2034 # the same
    scripted=http://127.0.0.1:$(($1 + 1))
    start_worker worker "$1"
    start_scripted $(($1 + 1))
    answers "$1"
    answers $(($1 + 1))
}

# as_user USER COMMAND…: runs a command as that user, if this script runs as root. PostgreSQL refuses to run as root.
as_user() {
    local user=$1
    shift
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid="$user" --regid="$(id -gn "$user")" --clear-groups -- "$@"
    fi
    exec "$@"
}

# start_postgres PROGRAMS PORT OWNER: starts a new PostgreSQL as the system's user OWNER. Its user is `tests`, its password
# `secret`. Its log has each statement with its parameters.
start_postgres() {
    local programs=$1 port=$2 owner=$3
    mkdir "$folder/postgres"
    echo secret >"$folder/postgres/password"
    [ "$(id -u)" != 0 ] || chown -R "$owner" "$folder/postgres"
    chmod 755 "$folder"
    (as_user "$owner" "$programs/initdb" -D "$folder/postgres/data" -U tests -A scram-sha-256 \
        --pwfile="$folder/postgres/password" -E UTF8 --locale=C --no-sync) >"$folder/initdb.log" 2>&1 || fail "initdb"
    start postgres as_user "$owner" "$programs/postgres" -D "$folder/postgres/data" -p "$port" -h 127.0.0.1 \
        -k "$folder/postgres" -c log_statement=all -c fsync=off
    psql=$programs/psql
    [ -x "$psql" ] || psql=psql
    database=$port
    for _ in $(seq 100); do
        sql 'select 1' >/dev/null 2>&1 && return
        sleep 0.1
    done
    fail "PostgreSQL does not answer"
}

# sql STATEMENT: asks the PostgreSQL that start_postgres has started.
sql() {
    PGPASSWORD=secret "$psql" -q -t -A -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$database" -U tests -d postgres -c "$1"
}
