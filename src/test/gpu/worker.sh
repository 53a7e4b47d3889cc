#!/usr/bin/env bash
# The packed worker (pack.sh) on the PyTorch of this machine: --self-test, then many streams, drops and cancels.
# usage: worker.sh [self-test | streams | ARGUMENT...]; PYTHON, MODEL, DEVICE, STREAMS, ROUNDS, OUT; WORKER, the folder that
# has the worker, which is target/gpu/worker without it
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
packed=${WORKER:-$here/../../../target/gpu/worker}
[[ -f $packed/packed ]] || { echo "worker.sh: run pack.sh first, where there are a JDK and Maven" >&2; exit 1; }
cd "$packed"
packed=$PWD
python=${PYTHON:-python3}
out=${OUT:-$packed/..}
torch=$("$python" -c 'import torch, os; print(torch.__version__.split("+")[0], os.path.dirname(torch.__file__))')
read -r version folder <<<"$torch"
# DJL's binding is compiled for one version of libtorch; BUILD_JNI=true compiles it for the one that is here in any case.
binding=$(ls jni/*-libdjl_torch.so)
# trial/pack.sh builds it beforehand, and names the version that it is for.
bound=2.7.1
[[ ! -f jni/version ]] || bound=$(<jni/version)
if [[ $version != "$bound" || ${BUILD_JNI:-} == true ]]; then
  if [[ ! -d jni/source ]]; then
    echo "worker.sh: PyTorch is $version; the packed binding of DJL is for $bound. Pack with DJL_SOURCE, or set PYTHON to one with torch==$bound" >&2
    exit 1
  fi
  mkdir -p "jni/$version"
  abi=$("$python" -c 'import torch; print(int(torch._C._GLIBCXX_USE_CXX11_ABI))')
  flags=(-std=c++17 -O2 -fPIC -w "-D_GLIBCXX_USE_CXX11_ABI=$abi" -Ijni/source "-I$folder/include" "-I$folder/include/torch/csrc/api/include")
  # shellcheck disable=SC2016 # The inner shell expands it.
  for source in jni/source/*.cc; do
    object=jni/$version/$(basename "$source" .cc).o
    [[ $object -nt $source ]] || printf '%s\0%s\0' "$source" "$object"
  done | xargs -0 -r -n 2 -P "$(nproc)" bash -c 'g++ "${@:1:$#-2}" -c "${@: -2:1}" -o "${@: -1}"' compile "${flags[@]}"
  built=jni/$version/$(basename "$binding")
  g++ -shared -o "$built" "jni/$version"/*.o "-L$folder/lib" -ltorch -ltorch_cpu -lc10 "-Wl,-rpath,\$ORIGIN"
  binding=$built
fi
# DJL loads every library of its folder at start; not those for Python, nor the one that wants the driver.
rm -rf torch
mkdir torch
for library in "$folder"/lib/*.so*; do
  case $(basename "$library") in
    libtorch_python.so | libshm.so | libcaffe2_nvrtc.so | libtorch_global_deps.so | libtorch_cuda_linalg.so | libc10d_cuda_test.so) ;;
    *) ln -s "$library" torch/ ;;
  esac
done
ln -s "$packed/$binding" torch/
site=$(dirname "$folder")
libraries=$folder/lib
for nvidia in "$site"/nvidia/*/lib "$site"/cusparselt/lib; do
  [[ ! -d $nvidia ]] || libraries+=:$nvidia
done
# DJL counts GPUs by this name.
mkdir -p cudart
ln -sf "$(find -L "$site/nvidia" "$folder/lib" /usr/local/cuda*/lib64 -name 'libcudart.so.1*' -print -quit 2>/dev/null)" cudart/libcudart.so
export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export PYTORCH_LIBRARY_PATH=$packed/torch PYTORCH_VERSION=$version PYTORCH_FLAVOR=cu128
export RUST_LIBRARY_PATH=$packed/native/libtokenizers.so MALLOC_ARENA_MAX=2
export ROUTES=$packed/routes HOST=127.0.0.1 PORT=${PORT:-18080} MAX_SLOTS=${MAX_SLOTS:-${STREAMS:-128}} QUEUE_LIMIT=${QUEUE_LIMIT:-1024}
# Without a model that was packed or named, the starter model.
[[ -n ${MODEL:-} || ! -f $packed/model.gguf ]] || export MODEL=$packed/model.gguf
# The image's arguments, with the paths of this folder.
sed -e "s#/opt/worker/native/nvidia/cuda_runtime/lib#$packed/cudart#" -e "s#/opt/worker/worker.jar:/opt/worker/connectors#$packed/worker.jar:$packed/connectors#" \
  -e "s#/opt/worker#$packed#" image.args >image.here.args

case ${1:-self-test} in
  self-test) exec jre/bin/java @java.args @image.here.args --self-test ;;
  streams)
    jre/bin/java @java.args @image.here.args >"$out/worker.log" 2>&1 &
    worker=$!
    trap 'kill $worker 2>/dev/null || true; wait $worker 2>/dev/null || true' EXIT
    for _ in $(seq 240); do
      kill -0 $worker 2>/dev/null || { tail -n 20 "$out/worker.log" >&2; exit 1; }
      status=$("$python" - "$PORT" <<'PING'
import sys, urllib.request
try:
    print(urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/ping", timeout=2).status)
except OSError as problem:
    print(getattr(problem, "code", 0))
PING
)
      [[ $status != 200 ]] || break
      [[ $status != 503 ]] || { tail -n 20 "$out/worker.log" >&2; exit 1; }
      sleep 1
    done
    "$python" "$here/streams.py" 127.0.0.1 "$PORT" --streams "${STREAMS:-128}" --tokens "${TOKENS:-128}" --rounds "${ROUNDS:-20}" \
      --pid $worker --out "$out/streams.jsonl"
    ;;
  *) exec jre/bin/java @java.args @image.here.args "$@" ;;
esac
