#!/usr/bin/env bash
# Tools that are routes, as in routes/examples: one asks a real PostgreSQL, one an HTTP service. First ./worker with the
# starter model, whose call is forced by tool_choice; then testing.ScriptedWorker, whose model writes what it is told to.
# Needs PostgreSQL's programs, psql too, target/test-classes, Java 25 (JAVA_HOME names it), Maven, and Python with openai
# (PYTHON names it, default python3). As root it runs PostgreSQL as the user postgres.
# usage: src/test/clients/route_tools.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=src/test/clients
python=${PYTHON:-python3}
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
postgres=$(find /usr/lib/postgresql/*/bin -name initdb 2>/dev/null | sort -V | tail -n 1)
[ -n "$postgres" ] || postgres=$(command -v initdb) || {
    echo "PostgreSQL's initdb is not in /usr/lib/postgresql and not on the PATH" >&2
    exit 1
}
postgres=$(dirname "$postgres")
folder=$(mktemp -d)
# All sockets are open at once, so that the ports differ.
read -r database real scripted orders < <("$python" -c '
import socket
sockets = [socket.socket() for _ in range(4)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))')

# PostgreSQL refuses to run as root.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid=postgres --regid=postgres --clear-groups -- "$@"
    fi
    exec "$@"
}

processes=
# shellcheck disable=SC2329 # called by the trap
stop() {
    # shellcheck disable=SC2086 # several numbers
    kill $processes 2>/dev/null || true
    wait
    rm -rf "$folder"
}
trap stop EXIT

fail() {
    echo "FAILED: $*" >&2
    tail -n 50 "$folder"/*.log >&2
    exit 1
}

mkdir "$folder/postgres" "$folder/routes"
echo secret >"$folder/postgres/password"
[ "$(id -u)" != 0 ] || chown -R postgres "$folder/postgres"
chmod 755 "$folder"
(as_postgres "$postgres/initdb" -D "$folder/postgres/data" -U shop -A scram-sha-256 --pwfile="$folder/postgres/password" \
    -E UTF8 --locale=C --no-sync) >"$folder/initdb.log" 2>&1 || fail "initdb"
# Its log has each statement with its parameters.
(as_postgres "$postgres/postgres" -D "$folder/postgres/data" -p "$database" -h 127.0.0.1 -k "$folder/postgres" \
    -c log_statement=all -c fsync=off) >"$folder/postgres.log" 2>&1 &
processes="$processes $!"
sql() {
    PGPASSWORD=secret psql -q -t -A -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$database" -U shop -d postgres -c "$1"
}
for _ in $(seq 100); do
    sql 'select 1' >/dev/null 2>&1 && break
    sleep 0.1
done
sql "create table customers (id serial primary key, name text not null, city text not null, orders int not null);
    insert into customers (name, city, orders) values ('Ann Lee', 'Ljubljana', 3), ('Bo Berg', 'Tromsø', 41)" ||
    fail "PostgreSQL does not answer"

cp routes/*.yaml routes/application.properties routes/examples/customers.camel.yaml routes/examples/orders.camel.yaml \
    "$folder/routes/"
export CONNECTORS=camel-sql,org.postgresql:postgresql:42.7.8
export ROUTES=$folder/routes ROUTE_TOOLS=customers,orders HOST=127.0.0.1
export SHOP_DB=jdbc:postgresql://127.0.0.1:$database/postgres SHOP_USER=shop SHOP_PASSWORD=secret
export ORDERS_URL=http://127.0.0.1:$orders/orders
PORT=$real ./worker >"$folder/worker.log" 2>&1 &
processes="$processes $!"
"$python" $here/wait_for_worker.py "http://127.0.0.1:$real" || fail "the worker does not answer"
# The worker has fetched the connectors.
"$java" --enable-native-access=ALL-UNNAMED \
    -cp "target/test-classes:target/classes:target/lib/*:target/connectors/*" \
    dev.llmworker.testing.ScriptedWorker "$scripted" >"$folder/scripted.log" 2>&1 &
processes="$processes $!"
"$python" $here/wait_for_worker.py "http://127.0.0.1:$scripted" || fail "the scripted worker does not answer"

"$python" $here/route_tools.py "http://127.0.0.1:$real/v1" "http://127.0.0.1:$scripted/v1" "$orders" || fail "the calls"
grep -q 'tool=findCustomer .*outcome=ok' "$folder/worker.log" || fail "the worker has not called findCustomer"
grep -q 'tool=findOrder .*outcome=ok' "$folder/worker.log" || fail "the worker has not called findOrder"
[ "$(sql 'select count(*) from customers')" = 2 ] || fail "the table has changed"
# The only text of a statement is the route's own. What models write is in its parameters.
statements=$(grep -o 'execute [^:]*: select name.*' "$folder/postgres.log" | sed 's/^execute [^:]*: //' | sort -u)
# shellcheck disable=SC2016 # PostgreSQL's own
[ "$statements" = 'select name, city, orders from customers where lower(name) = lower($1) order by id limit 10' ] ||
    fail "PostgreSQL was asked: $statements"
grep -q "parameters: \$1 = '''; drop table customers; --'" "$folder/postgres.log" || fail "no parameter with quotes"
echo "models ask PostgreSQL and an HTTP service through routes"
