#!/usr/bin/env bash
# Builds the decoder's operators for CPUs: build.sh FOLDER puts libllmworker.so there. Where there is no C++ compiler, or the
# machine is not an x86-64 Linux, it says so and builds nothing: the worker then decodes by decoder.pt alone, more slowly.
set -euo pipefail
folder=${1:?where to put the library}
sources=$(dirname "${BASH_SOURCE[0]}")
library=$folder/libllmworker.so

if [[ $(uname -s) != Linux || $(uname -m) != x86_64 ]]; then
  echo "native: none for $(uname -s) $(uname -m); the worker decodes without"
  exit 0
fi
compiler=${CXX:-}
for candidate in g++ c++ clang++; do
  [[ -n $compiler ]] || compiler=$(command -v "$candidate" || true)
done
if [[ -z $compiler ]]; then
  echo "native: no C++ compiler here (your system's package 'g++' has one); the worker decodes without, more slowly"
  exit 0
fi
mkdir -p "$folder"
# The launcher compiles beside Maven, which then waits here and finds the library.
if command -v flock >/dev/null; then
  exec 8<"$folder"
  flock 8
fi
if [[ -f $library && -z $(find "$sources" -newer "$library" -print -quit) ]]; then
  exit 0
fi
# The CPU's features are those that every x86-64 server and laptop since 2015 has; the worker looks before it loads this.
"$compiler" -std=c++20 -O3 -mavx2 -mfma -mf16c -ffp-contract=off -fno-math-errno -fPIC -shared -fvisibility=hidden \
  -Wall -Wextra -Werror -pthread -o "$library.new" "$sources"/*.cpp -ldl
mv "$library.new" "$library"
