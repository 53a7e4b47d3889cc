#!/usr/bin/env bash
# STEP=1: the program under the torch there. STEP=2: the Java worker, and launches and graphs from Java. STEP=check: on a CPU, tiny.
# Each part has a limit of its own; a part that fails does not end the others. Figures go to $OUT.
set -uo pipefail
cd "$(dirname "$0")/../../../.." || exit
trial=$PWD/src/test/gpu/trial
packed=$PWD/target/trial
export OUT=${OUT:-$PWD/target/trial} PYTHONUNBUFFERED=1
mkdir -p "$OUT"
# torch 2.9 and later take cuDNN's attention first on Hopper; the image's 2.7.1 does not.
export TORCH_CUDNN_SDPA_DEPRIORITIZED=1 PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True
python=${PYTHON:-python3}
start=$SECONDS
part() {
  local limit=$1 name=$2
  shift 2
  local from=$SECONDS
  timeout -k 5 "$limit" "$@" >"$OUT/$name.log" 2>&1
  local rc=$?
  echo "== $name: rc $rc, $((SECONDS - from)) s of $limit, at $((SECONDS - start)) s"
  tail -n "${LINES_SHOWN:-12}" "$OUT/$name.log"
}
bench() { part "$1" "$2-$3" "$python" src/test/gpu/decoder_bench.py "$2" --shape "$3" --seconds 0.4 --out "$OUT/bench.jsonl" "${@:4}"; }

case ${STEP:-check} in
  1)
    LINES_SHOWN=60 part 45 probe "$python" "$trial/probe.py"
    bench 45 logits 1b
    bench 60 decode 8b
    bench 60 graphs 8b
    bench 40 prefill 8b
    LINES_SHOWN=24 bench 30 profile 8b
    bench 25 decode 1b
    bench 25 graphs 1b
    "$python" src/test/gpu/table.py "$OUT/bench.jsonl" | tail -n 80
    (cd "$OUT" && tar -cf logs.tar --remove-files -- *.log)  # few files come back
    ;;
  2)
    part 30 unpack "$python" - <<UNPACK
import tarfile
tarfile.open("$packed/worker.tar.xz").extractall("target/gpu", filter="fully_trusted")
UNPACK
    LINES_SHOWN=40 part 20 java-launches target/gpu/worker/jre/bin/java --enable-native-access=ALL-UNNAMED -cp "$packed" GpuProbe
    models=$(mktemp -d)  # worker.sh changes directory: the path must be absolute
    part 25 model-1b "$python" "$trial/make_model.py" 1b "$models/1b"
    MODEL=$models/1b MAX_SLOTS=32 LINES_SHOWN=30 part 75 self-test-1b src/test/gpu/worker.sh self-test
    part 40 model-8b "$python" "$trial/make_model.py" 8b "$models/8b"
    MODEL=$models/8b MAX_SLOTS=128 MAX_MODEL_LEN=1024 STREAMS=128 TOKENS=128 ROUNDS=4 part 110 streams-8b src/test/gpu/worker.sh streams
    grep -E 'loaded,|ready:|KV cache' "$OUT/worker.log"
    ;;
  check)
    part 60 probe "$python" "$trial/probe.py" cpu
    part 60 model-tiny "$python" "$trial/make_model.py" tiny target/trial/model-tiny
    ;;
esac
echo "== $((SECONDS - start)) s together"
