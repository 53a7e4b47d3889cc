#!/usr/bin/env bash
# Everything that needs a GPU, in pieces of at most ten minutes: run.sh [PIECE...], without one all of them.
#
#   logits     the program against float32 on the CPU, 135M, 1B and 8B shapes
#   small      decode, graphs, prefill and profile of the 135M and 1B shapes
#   large      the same of the 8B shape
#   peers      transformers, with and without a static cache, 1B and 8B shapes
#   vllm       vLLM, if VLLM_PYTHON has it; 1B and 8B shapes
#   self-test  the packed worker (pack.sh) with --self-test
#   streams    the packed worker, 128 streams, then rounds of drops and cancels
#   trial      what trial/README.md describes; STEP chooses the part, without STEP: check on a CPU. Not part of all of them
#   check      all of this that can run on a CPU, with a tiny shape: that it runs, the trial included, and that the packed worker
#              refuses to serve without a GPU; ends with what ran and what did not. Packs what is not packed, or was by another
#              JDK or from other sources
#
# PYTHON (python3) has PyTorch 2.7.1, for the program any. Figures go to OUT (target/gpu) as lines of JSON and as tables.
# LIMIT (600) is the most seconds of a part.
set -uo pipefail
cd "$(dirname "$0")/../../.." || exit
# shellcheck source=src/test/gpu/packing.sh
. src/test/gpu/packing.sh
python=${PYTHON:-python3}
export OUT=${OUT:-$PWD/target/gpu}
mkdir -p "$OUT"
# PyTorch 2.9 and later take cuDNN's attention first on Hopper; the image's 2.7.1 does not. The image sets the other one too.
export TORCH_CUDNN_SDPA_DEPRIORITIZED=1 PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True
results=$OUT/decoder.jsonl
failed=() ran=() left_out=()

bench() {
  echo "== $*"
  timeout -k 5 "${LIMIT:-600}" "${bench_python:-$python}" src/test/gpu/decoder_bench.py "$@" --out "$results"
}

# A part whose end with an error does not end the others.
must() {
  bench "$@" || failed+=("$*")
}

measure() {
  for part in decode graphs prefill profile; do
    must "$part" --shape "$1"
  done
}

try() {
  local name=$1
  shift
  if "$@"; then ran+=("$name"); else failed+=("$name"); fi
}

refused_without_gpu() {
  local said
  said=$(CUDA_VISIBLE_DEVICES='' DEVICE=auto src/test/gpu/worker.sh self-test 2>&1) && { echo "it did not refuse"; return 1; }
  grep "libtorch is the one for NVIDIA GPUs .* and sees no GPU here" <<<"$said" || { echo "$said"; return 1; }
}

check() {
  # Other programs may run here, and threads that wait for each other then take long.
  export OMP_NUM_THREADS=1 THREADS=1
  results=$OUT/check.jsonl
  rm -f "$results"
  for part in logits decode graphs prefill profile transformers; do
    try "$part" bench $part --shape tiny --device cpu --streams 8 --seconds 0.1
  done
  try "transformers with a static cache" bench transformers --static --shape tiny --device cpu --streams 8 --seconds 0.1
  if command -v mvn >/dev/null; then
    try pack pack_unless_current target/gpu/worker/packed src/test/gpu/pack.sh
  fi
  if [[ -f target/gpu/worker/packed ]]; then
    DEVICE=cpu STREAMS=6 ROUNDS=3 TOKENS=24 try streams src/test/gpu/worker.sh streams
    DEVICE=cpu MAX_SLOTS=8 try self-test src/test/gpu/worker.sh self-test
    try "the refusal without a GPU" refused_without_gpu
  else
    left_out+=("streams, self-test, the refusal without a GPU: pack.sh makes the worker where there are Java and Maven")
  fi
  if command -v mvn >/dev/null; then
    try "the trial's pack" pack_unless_current target/trial/packed src/test/gpu/trial/pack.sh
  fi
  try "the trial" env STEP=check OUT="$OUT/trial" src/test/gpu/trial/trial.sh
  left_out+=("vLLM: it needs a GPU" "CUDA graphs: the step that they would hold ran without one" "any kernel, wait or copy of a GPU")
}

piece() {
  case $1 in
    logits) for shape in 135m 1b 8b; do must logits --shape $shape; done ;;
    small) measure 135m; measure 1b ;;
    large) measure 8b ;;
    peers) for shape in 1b 8b; do must transformers --shape $shape; must transformers --static --shape $shape; done ;;
    vllm)
      # In an environment of its own: it needs a PyTorch of its own.
      if [[ -n ${VLLM_PYTHON:-} ]] && "$VLLM_PYTHON" -c 'import vllm'; then
        bench_python=$VLLM_PYTHON
        for shape in 1b 8b; do must vllm --shape $shape; done
        unset bench_python
      else
        left_out+=("vllm: set VLLM_PYTHON to a Python that has it")
      fi
      ;;
    self-test) timeout -k 5 "${LIMIT:-600}" src/test/gpu/worker.sh self-test | tee "$OUT/self-test.txt" || failed+=(self-test) ;;
    streams) timeout -k 5 "${LIMIT:-600}" src/test/gpu/worker.sh streams || failed+=(streams) ;;
    trial) src/test/gpu/trial/trial.sh || failed+=(trial) ;;
    check) check ;;
    *) echo "run.sh: no piece is called $1" >&2; exit 2 ;;
  esac
}

(($# > 0)) || set -- logits small large peers vllm self-test streams
for name in "$@"; do
  piece "$name"
done
[[ ! -f $results ]] || "$python" src/test/gpu/table.py "$results" | tee "${results%.jsonl}.md"
[[ -z ${ran[*]-} ]] || printf 'ran on the CPU: %s\n' "${ran[@]}"
[[ -z ${left_out[*]-} ]] || printf 'did not run: %s\n' "${left_out[@]}"
if ((${#failed[@]} > 0)); then
  printf 'failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
