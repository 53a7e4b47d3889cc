#!/usr/bin/env bash
# Tools that are routes, as in routes/examples: one asks a real PostgreSQL, one an HTTP service. First ./worker with the
# starter model, whose call is forced by tool_choice; then testing.ScriptedWorker, whose model writes what it is told to.
# Needs PostgreSQL's programs, psql too, target/test-classes, Java 25 (JAVA_HOME names it), Maven, and Python with openai
# (PYTHON names it, default python3). As root it runs PostgreSQL as the user postgres.
# usage: src/test/clients/route_tools.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source=src/test/clients/servers.sh
. src/test/clients/servers.sh
postgres=$(find /usr/lib/postgresql/*/bin -name initdb 2>/dev/null | sort -V | tail -n 1)
[ -n "$postgres" ] || postgres=$(command -v initdb) || {
    echo "PostgreSQL's initdb is not in /usr/lib/postgresql and not on the PATH" >&2
    exit 1
}
postgres=$(dirname "$postgres")
read -r database real scripted orders < <(free_ports 4)
start_postgres "$postgres" "$database" postgres
sql "create table customers (id serial primary key, name text not null, city text not null, orders int not null);
    insert into customers (name, city, orders) values ('Ann Lee', 'Ljubljana', 3), ('Bo Berg', 'Tromsø', 41)"

mkdir "$folder/routes"
cp routes/*.yaml routes/application.properties routes/examples/customers.camel.yaml routes/examples/orders.camel.yaml \
    "$folder/routes/"
export CONNECTORS=camel-sql,org.postgresql:postgresql:42.7.8
export ROUTES=$folder/routes ROUTE_TOOLS=customers,orders
export SHOP_DB=jdbc:postgresql://127.0.0.1:$database/postgres SHOP_USER=tests SHOP_PASSWORD=secret
export ORDERS_URL=http://127.0.0.1:$orders/orders
start_worker worker "$real"
answers "$real"
# The worker has fetched the connectors.
start_scripted "$scripted" "target/connectors/*"
answers "$scripted"

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
