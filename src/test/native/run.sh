#!/usr/bin/env bash
# Tests the C++ kernels without libtorch: run.sh [plain|address|thread]... Without arguments it runs all three.
#
#   plain     with the worker's optimisations
#   address   with AddressSanitizer and UndefinedBehaviorSanitizer
#   thread    with ThreadSanitizer
#
# Needs g++ and a CPU with AVX2.
set -euo pipefail
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
kernels=$tests/../../main/native
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# build NAME OPTION...: compiles one file per CPU at a time.
build() {
  local name=$1 objects=$folder/$1
  shift
  mkdir "$objects"
  # ops.cpp needs libtorch.
  # shellcheck disable=SC2016 # The inner shell expands it.
  find "$kernels" "$tests" -name '*.cpp' ! -name ops.cpp -print0 | xargs -0 -P "$(nproc)" -I '{}' sh -c '
    source=$1 objects=$2; shift 2
    exec "${CXX:-g++}" "$@" -c "$source" -o "$objects/$(basename "$source" .cpp).o"' \
    sh '{}' "$objects" -std=c++20 -mavx2 -mfma -mf16c -ffp-contract=off -fno-math-errno -Wall -Wextra -Werror \
    -I "$kernels" "$@"
  "${CXX:-g++}" "$@" "$objects"/*.o -pthread -o "$folder/$name.test"
}

[[ $# -gt 0 ]] || set -- plain address thread
for kind in "$@"; do
  echo "kernels, $kind"
  case $kind in
    plain)
      build plain -O3
      "$folder/plain.test"
      ;;
    address)
      build address -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -D_GLIBCXX_ASSERTIONS
      ASAN_OPTIONS=detect_stack_use_after_return=1 "$folder/address.test"
      ;;
    thread)
      build thread -O1 -g -fsanitize=thread
      # ThreadSanitizer fails if the kernel randomises addresses too much.
      TSAN_OPTIONS=halt_on_error=1 setarch "$(uname -m)" --addr-no-randomize "$folder/thread.test"
      ;;
    *)
      echo "unknown kind of test: $kind" >&2
      exit 2
      ;;
  esac
done
