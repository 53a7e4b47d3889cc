#!/usr/bin/env bash
# Everything that wants a GPU, in pieces of at most ten minutes: run.sh [PIECE...], without one all of them.
#
#   logits     the program against float32 on the CPU, 135M, 1B and 8B shapes
#   small      decode, graphs, prefill and profile of the 135M and 1B shapes
#   large      the same of the 8B shape
#   peers      transformers, with and without a static cache, 1B and 8B shapes
#   vllm       vLLM, if it is installed for VLLM_PYTHON or can be; 1B and 8B shapes
#   self-test  the packed worker (pack.sh) with --self-test
#   streams    the packed worker, 128 streams, then rounds of drops and cancels
#   check      all but vLLM on the CPU with a tiny shape, to see that it runs
#
# PYTHON (python3) has PyTorch 2.7.1, for the program any. Figures go to OUT (target/gpu) as lines of JSON and as tables.
set -uo pipefail
cd "$(dirname "$0")/../../.." || exit
python=${PYTHON:-python3}
export OUT=${OUT:-$PWD/target/gpu}
mkdir -p "$OUT"
results=$OUT/decoder.jsonl
failed=()

bench() {
  echo "== $*"
  "${bench_python:-$python}" src/test/gpu/decoder_bench.py "$@" --out "$results" || failed+=("$*")
}

measure() {
  for part in decode graphs prefill profile; do
    bench "$part" --shape "$1"
  done
}

piece() {
  case $1 in
    logits) for shape in 135m 1b 8b; do bench logits --shape $shape; done ;;
    small) measure 135m; measure 1b ;;
    large) measure 8b ;;
    peers) for shape in 1b 8b; do bench transformers --shape $shape; bench transformers --static --shape $shape; done ;;
    vllm)
      # In an environment of its own: it wants a PyTorch of its own.
      bench_python=${VLLM_PYTHON:-$OUT/vllm/bin/python}
      if [[ ! -x $bench_python ]]; then
        python3 -m venv "$OUT/vllm" && "$OUT/vllm/bin/pip" install -q vllm || echo "vLLM does not install here; left out"
      fi
      for shape in 1b 8b; do bench vllm --shape $shape; done
      unset bench_python
      ;;
    self-test) src/test/gpu/worker.sh self-test | tee "$OUT/self-test.txt" || failed+=(self-test) ;;
    streams) src/test/gpu/worker.sh streams || failed+=(streams) ;;
    check)
      results=$OUT/check.jsonl
      for part in logits decode graphs prefill profile transformers; do
        bench $part --shape tiny --device cpu --streams 8 --seconds 0.1
      done
      bench transformers --static --shape tiny --device cpu --streams 8 --seconds 0.1
      if [[ -d target/gpu/worker ]]; then
        DEVICE=cpu STREAMS=6 ROUNDS=3 TOKENS=24 src/test/gpu/worker.sh streams || failed+=(streams)
        DEVICE=cpu MAX_SLOTS=8 src/test/gpu/worker.sh self-test || failed+=(self-test)
      fi
      ;;
    *) echo "run.sh: no piece is called $1" >&2; exit 2 ;;
  esac
}

(($# > 0)) || set -- logits small large peers vllm self-test streams
for name in "$@"; do
  piece "$name"
done
[[ ! -f $results ]] || "$python" src/test/gpu/table.py "$results" | tee "${results%.jsonl}.md"
if ((${#failed[@]} > 0)); then
  printf 'failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
