#!/usr/bin/env bash
# The trial of one GPU, in two calls of under 330 s.
#   STEP=1      the program under the PyTorch of that machine
#   STEP=2      the Java worker that trial/pack.sh packed, and launches and graphs from Java
#   STEP=check  both on a CPU with a tiny shape, to see that they run; without what needs a GPU's driver
#
# Each part has a limit of its own. A part that fails does not end the others. Figures go to OUT: figures.json has all of them,
# and figures.md the tables that figures.py puts into docs/performance.md.
set -uo pipefail
cd "$(dirname "$0")/../../../.." || exit
trial=$PWD/src/test/gpu/trial
packed=$PWD/target/trial
export OUT=${OUT:-$PWD/target/trial/out} PYTHONUNBUFFERED=1
mkdir -p "$OUT"
rm -f "$OUT"/*.log "$OUT"/*.jsonl "$OUT"/figures.*
# PyTorch 2.9 and later take cuDNN's attention first on Hopper; the image's 2.7.1 does not.
export TORCH_CUDNN_SDPA_DEPRIORITIZED=1 PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True
python=${PYTHON:-python3}
start=$SECONDS
failed=() bench_arguments=() patience=1

part() {
  local limit=$(($1 * patience)) name=$2
  shift 2
  local from=$SECONDS
  timeout -k 5 "$limit" "$@" >"$OUT/$name.log" 2>&1
  local rc=$?
  ((rc == 0)) || failed+=("$name")
  echo "== $name: rc $rc, $((SECONDS - from)) s of $limit, at $((SECONDS - start)) s"
  tail -n "${LINES_SHOWN:-12}" "$OUT/$name.log"
}

bench() {
  part "$1" "$2-$3" "$python" src/test/gpu/decoder_bench.py "$2" --shape "$3" --seconds 0.4 --out "$OUT/bench.jsonl" "${bench_arguments[@]}"
}

# SMALL and LARGE are shapes. The limits add up to 330 s.
program_parts() {
  local small=$1 large=$2
  LINES_SHOWN=60 part 45 probe "$python" "$trial/probe.py" "$kind"
  bench 45 logits "$small"
  bench 60 decode "$large"
  bench 60 graphs "$large"
  bench 40 prefill "$large"
  LINES_SHOWN=24 bench 30 profile "$large"
  [[ $small != "$large" ]] || return 0
  bench 25 decode "$small"
  bench 25 graphs "$small"
}

# SMALL and LARGE are shapes; the limits add up to 325 s.
worker_parts() {
  local small=$1 large=$2 models streams=${STREAMS:-128}
  part 30 unpack "$python" "$trial/unpack.py" "$packed/worker.tar.xz" target/trial-unpacked
  export WORKER=$PWD/target/trial-unpacked/worker
  if [[ $kind == gpu ]]; then
    LINES_SHOWN=40 part 20 java-launches "$WORKER/jre/bin/java" --enable-native-access=ALL-UNNAMED -cp "$packed" GpuProbe
  fi
  models=$(mktemp -d) # worker.sh changes directory: the path must be absolute
  part 25 "model-$small" "$python" "$trial/make_model.py" "$small" "$models/$small"
  MODEL=$models/$small MAX_SLOTS=${SLOTS:-32} LINES_SHOWN=30 part 90 self-test src/test/gpu/worker.sh self-test
  [[ $small == "$large" ]] || part 40 "model-$large" "$python" "$trial/make_model.py" "$large" "$models/$large"
  MODEL=$models/$large MAX_SLOTS=$streams MAX_MODEL_LEN=1024 STREAMS=$streams TOKENS=${TOKENS:-128} ROUNDS=4 \
    part 120 streams src/test/gpu/worker.sh streams
  grep -hE 'loaded|ready:|KV cache' "$OUT/worker.log" || true
  rm -rf "$models"
}

kind=gpu
case ${STEP:-check} in
  1) program_parts 1b 8b ;;
  2) worker_parts 1b 8b ;;
  check)
    kind=cpu
    # Other programs may run here, and threads that wait for each other then take long.
    patience=5
    export OMP_NUM_THREADS=1 THREADS=1
    bench_arguments=(--device cpu --dtype fp32 --streams 8)
    program_parts tiny tiny
    if [[ -f $packed/worker.tar.xz ]]; then
      megabytes=$(($(stat -c %s "$packed/worker.tar.xz") / 1000000))
      echo "worker.tar.xz: $megabytes MB"
      ((megabytes <= 60)) || failed+=("worker.tar.xz has $megabytes MB; 60 may be carried")
      DEVICE=cpu SLOTS=4 STREAMS=6 TOKENS=24 worker_parts tiny tiny
    else
      echo "did not run: the worker's parts; trial/pack.sh makes target/trial/worker.tar.xz"
    fi
    echo "did not run: java-launches and CUDA graphs, which need a GPU's driver"
    ;;
  *) echo "trial.sh: STEP is 1, 2 or check" >&2 && exit 2 ;;
esac
"$python" src/test/gpu/figures.py "$OUT" || failed+=(figures)
# Few files come back.
(cd "$OUT" && tar -cf logs.tar --remove-files -- *.log)
echo "== $((SECONDS - start)) s together"
if ((${#failed[@]} > 0)); then
  printf 'failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
