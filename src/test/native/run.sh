#!/usr/bin/env bash
# Tests the C++ kernels without libtorch: run.sh [KIND]... Without arguments it runs all kinds but arm-address.
#
#   plain             with the worker's optimisations, for this machine's instruction set
#   avx512            as plain, for CPUs with AVX-512 and its VNNI; without arguments only on such a CPU
#   address           with AddressSanitizer and UndefinedBehaviorSanitizer
#   thread            with ThreadSanitizer
#   portable          as plain, with the vectors of the compiler alone (simd_portable.h)
#   portable-address  the same as address
#   arm               for 64-bit ARM, in an emulator: a CPU with neither sdot nor smmla, one with sdot, and one with both
#   arm-address       the same as address, on the one with both
#
# Needs g++, on x86-64 a CPU with AVX2, and for ARM g++-aarch64-linux-gnu and qemu-user-static.
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kernels=$tests/../../main/native
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Sanitizers make the compiler take minutes for code that is inlined or optimised: over six for matmul.cpp alone.
readonly QUICKLY=(-O0 -g -Dalways_inline=unused)
readonly SANITIZERS=("${QUICKLY[@]}" -fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -D_GLIBCXX_ASSERTIONS)
here=()
[[ $(uname -m) != x86_64 ]] || here=(-mavx2 -mfma -mf16c)

# build NAME COMPILER OPTION...: compiles one file per CPU at a time.
build() {
  local name=$1 compiler=$2 objects=$folder/$1
  shift 2
  mkdir "$objects"
  # ops.cpp needs libtorch.
  # shellcheck disable=SC2016 # The inner shell expands it.
  find "$kernels" "$tests" -name '*.cpp' ! -name ops.cpp -print0 | xargs -0 -P "$(nproc)" -I '{}' sh -c '
    source=$1 objects=$2; shift 2
    exec "$@" -c "$source" -o "$objects/$(basename "$source" .cpp).o"' \
    sh '{}' "$objects" "$compiler" -std=c++20 -ffp-contract=off -fno-math-errno -Wall -Wextra -Werror -I "$kernels" "$@"
  "$compiler" "$@" "$objects"/*.o -pthread -o "$folder/$name.test"
}

# on_arm CPU WAYS PROGRAM [TEST]...: runs tests in an emulator, and checks that they have seen these ways to multiply.
on_arm() {
  local cpu=$1 ways=$2 program=$3
  shift 3
  echo "on $cpu"
  qemu-aarch64-static -L /usr/aarch64-linux-gnu -cpu "$cpu" "$program" "$@" | tee "$folder/said"
  grep -qx "products by: $ways" "$folder/said" || {
    echo "expected on $cpu products by: $ways" >&2
    return 1
  }
}

run() {
  local compiler=${CXX:-g++}
  echo "kernels, $1"
  case $1 in
    plain)
      build plain "$compiler" -O3 ${here[@]+"${here[@]}"}
      "$folder/plain.test"
      ;;
    avx512)
      # GCC 12 says of its own intrinsics that they use values that were not set.
      build avx512 "$compiler" -O3 "${here[@]}" -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -Wno-maybe-uninitialized
      "$folder/avx512.test"
      ;;
    address)
      build address "$compiler" "${SANITIZERS[@]}" ${here[@]+"${here[@]}"}
      ASAN_OPTIONS=detect_stack_use_after_return=1 "$folder/address.test"
      ;;
    thread)
      build thread "$compiler" "${QUICKLY[@]}" -fsanitize=thread ${here[@]+"${here[@]}"}
      # ThreadSanitizer fails if the kernel randomises addresses too much.
      TSAN_OPTIONS=halt_on_error=1 setarch "$(uname -m)" --addr-no-randomize "$folder/thread.test"
      ;;
    portable)
      build portable "$compiler" -O3 -DLLMWORKER_PORTABLE
      "$folder/portable.test"
      ;;
    portable-address)
      build portable-address "$compiler" "${SANITIZERS[@]}" -DLLMWORKER_PORTABLE
      ASAN_OPTIONS=detect_stack_use_after_return=1 "$folder/portable-address.test"
      ;;
    arm)
      build arm aarch64-linux-gnu-g++ -O3
      on_arm cortex-a72 words "$folder/arm.test" simd matrices products
      on_arm neoverse-n1 "words dots" "$folder/arm.test" products decoder
      on_arm max "words dots blocks" "$folder/arm.test"
      ;;
    arm-address)
      build arm-address aarch64-linux-gnu-g++ "${SANITIZERS[@]}"
      # The emulator cannot look for leaks.
      ASAN_OPTIONS=detect_leaks=0 on_arm max "words dots blocks" "$folder/arm-address.test"
      ;;
    *)
      echo "unknown kind of test: $1" >&2
      exit 2
      ;;
  esac
}

if [[ $# -eq 0 ]]; then
  set -- plain address thread portable portable-address arm
  if grep -qw avx512_vnni /proc/cpuinfo; then
    set -- "$@" avx512
  else
    echo "skipped: avx512, which this CPU does not have"
  fi
fi
for kind in "$@"; do
  run "$kind"
done
