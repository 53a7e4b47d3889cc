#!/usr/bin/env bash
# Builds the decoder's operators for CPUs: build.sh FOLDER puts libllmworker.so there. Without a C++ compiler, or on a system
# other than Linux on x86-64, it prints a message and builds nothing. CI sets WERROR=1, so that warnings are errors there.
set -euo pipefail
folder=${1:?folder for the library}
sources=$(dirname "${BASH_SOURCE[0]}")
library=$folder/libllmworker.so

if [[ $(uname -s) != Linux || $(uname -m) != x86_64 ]]; then
  echo "native: not built: $(uname -s) on $(uname -m) is not supported, only Linux on x86_64"
  exit 0
fi
compiler=${CXX:-}
for candidate in g++ c++ clang++; do
  [[ -n $compiler ]] || compiler=$(command -v "$candidate" || true)
done
if [[ -z $compiler ]]; then
  echo "native: not built: no C++ compiler found. Install your system's package 'g++' for faster decoding on CPUs."
  exit 0
fi
mkdir -p "$folder"
unfinished=

# Ends what a process has started, and what that has started. A compiler that ends leaves its own programs running.
end_children() {
  local file child children
  for file in /proc/"$1"/task/*/children; do
    children=
    { read -r children <"$file" || true; } 2>/dev/null
    for child in $children; do
      end_children "$child"
      kill "$child" 2>/dev/null || true
    done
  done
}

# Ends with the status in $1, and leaves nothing half written.
end() {
  trap '' INT TERM HUP
  end_children $$
  wait
  [[ -z $unfinished ]] || rm -f "$unfinished"
  exit "$1"
}
trap 'end 130' INT
trap 'end 143' TERM
trap 'end 129' HUP

# What takes a while runs in the background: Bash acts on a signal only when the program in the foreground has ended.
# The launcher compiles beside Maven, which then waits here and finds the library.
if command -v flock >/dev/null; then
  exec 8<"$folder"
  flock 8 &
  wait $!
fi
if [[ -f $library && -z $(find "$sources" -newer "$library" -print -quit) ]]; then
  exit 0
fi
warnings=(-Wall -Wextra)
[[ -z ${WERROR:-} ]] || warnings+=(-Werror)

# Every x86-64 server and laptop since 2015 has these CPU features. The worker checks for them before it loads the library.
unfinished=$library.new
"$compiler" -std=c++20 -O3 -mavx2 -mfma -mf16c -ffp-contract=off -fno-math-errno -fPIC -shared -fvisibility=hidden \
  "${warnings[@]}" -pthread -o "$unfinished" "$sources"/*.cpp -ldl &
wait $!
mv "$unfinished" "$library"
