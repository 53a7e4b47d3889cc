#!/usr/bin/env bash
# Builds the decoder's operators for CPUs: build.sh FOLDER [TARGET]... puts libllmworker-TARGET.so there.
#
#   linux-x86_64                CPUs with AVX2, as every server and laptop since 2015 has
#   linux-x86_64-avx512         those with AVX-512 and its VNNI
#   linux-aarch64, macos-aarch64
#   linux-x86_64-portable       any other CPU of that system, and likewise SYSTEM-CPU-portable for each one with a C++ compiler
#   this                        those for this machine, which is the default
#   cpu                         all for this machine's kind of CPU: on x86-64 also those for AVX-512 and for CPUs without AVX2
#   all                         those that a jar for all Linux systems needs: for x86-64, also without AVX2, and for ARM
#
# Without a C++ compiler `this` prints a message and builds nothing. A target for another CPU needs its compiler, such as
# aarch64-linux-gnu-g++. CI sets WERROR=1, so that warnings are errors there. With BESIDE_JAVA=true it only begins what another
# build.sh waits for later: where there is no flock for that (macOS), it does nothing.
set -euo pipefail
folder=${1:?folder for the library}
shift
sources=$(dirname "${BASH_SOURCE[0]}")

# This machine, in the names of targets.
case $(uname -s) in
  Darwin) system=macos ;;
  *) system=$(uname -s | tr '[:upper:]' '[:lower:]') ;;
esac
cpu=$(uname -m)
[[ $cpu != arm64 ]] || cpu=aarch64

# Whether this machine's CPU has all of these features, by Linux's names.
has() {
  local feature
  for feature in "$@"; do
    grep -qw "$feature" /proc/cpuinfo || return 1
  done
}

# Prints the targets for this machine. A CPU with AVX-512 gets the library for AVX2, too: what is built here may run elsewhere.
these_targets() {
  case $system-$cpu in
    linux-aarch64 | macos-aarch64) echo "$system-$cpu" ;;
    linux-x86_64)
      if has avx2 fma f16c; then
        echo linux-x86_64
        ! has avx512f avx512bw avx512vl avx512dq avx512_vnni || echo linux-x86_64-avx512
      else
        echo linux-x86_64-portable
      fi
      ;;
    *) echo "$system-$cpu-portable" ;;
  esac
}

# Prints the compiler for a target, or nothing.
find_compiler() {
  local target=${1%-portable} candidate
  target=${target%-avx512}
  if [[ $target != "$system-$cpu" ]]; then
    command -v "${target#*-}-linux-gnu-g++" || true
    return
  fi
  for candidate in "${CXX:-g++}" c++ clang++; do
    if [[ -n ${CXX:-} ]] || command -v "$candidate" >/dev/null; then
      echo "$candidate"
      return
    fi
  done
}

unfinished=

# Ends what a process has started, and what that has started. A compiler that ends leaves its own programs running.
end_children() {
  local children='' child file
  if [[ -d /proc/self/task ]]; then
    for file in /proc/"$1"/task/*/children; do
      child=
      { read -r child <"$file" || true; } 2>/dev/null
      children+=" $child"
    done
  else
    children=$(pgrep -P "$1" || true)
  fi
  for child in $children; do
    end_children "$child"
    kill "$child" 2>/dev/null || true
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

# Builds a target unless its library is there, which is then up to date. What takes a while runs in the background: Bash acts on a
# signal only when the program in the foreground has ended.
build() {
  local target=$1 compiler=$2 library flags=()
  library=$folder/libllmworker-$target.so
  [[ $target != macos-* ]] || library=${library%.so}.dylib
  [[ ! -f $library ]] || return 0
  flags=(-Wall -Wextra)
  [[ -z ${WERROR:-} ]] || flags+=(-Werror)
  case $target in
    *-portable) flags+=(-DLLMWORKER_PORTABLE) ;;
    *-x86_64) flags+=(-mavx2 -mfma -mf16c) ;;
    # GCC 12 says of its own intrinsics that they use values that were not set.
    *-avx512) flags+=(-mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -Wno-maybe-uninitialized) ;;
  esac
  [[ $target == macos-* ]] || flags+=(-ldl)
  # Without flock, builds that were started by hand may run at once.
  unfinished=$library.new.$$
  # CXX may have arguments after the program.
  # shellcheck disable=SC2086
  $compiler -std=c++20 -O3 -ffp-contract=off -fno-math-errno -fPIC -shared -fvisibility=hidden -pthread \
    -o "$unfinished" "$sources"/*.cpp "${flags[@]}" &
  wait $! || return
  mv "$unfinished" "$library" || return
  unfinished=
}

targets=()
# Maven passes several in one argument.
# shellcheck disable=SC2048
for target in ${*:-this}; do
  case $target in
    this) for one in $(these_targets); do targets+=("$one"); done ;;
    cpu)
      targets+=("$system-$cpu")
      [[ $cpu != x86_64 ]] || targets+=("$system-$cpu-avx512" "$system-$cpu-portable")
      ;;
    all) targets+=(linux-x86_64 linux-x86_64-avx512 linux-x86_64-portable linux-aarch64) ;;
    *) targets+=("$target") ;;
  esac
done
mkdir -p "$folder"
# The launcher compiles beside Maven, which then waits here and finds the library.
if command -v flock >/dev/null; then
  exec 8<"$folder"
  flock 8 &
  wait $!
elif [[ ${BESIDE_JAVA:-} == true ]]; then
  exit 0
fi
# Its name until November 2026.
rm -f "$folder/libllmworker.so"
# Libraries of other targets may be left from an earlier build. Older ones would go into the jar beside programs that they do not fit.
for library in "$folder"/libllmworker-*; do
  [[ ! -f $library || -z $(find "$sources" -newer "$library" -print) ]] || rm -f "$library"
done
for target in "${targets[@]}"; do
  compiler=$(find_compiler "$target")
  if [[ -n $compiler ]]; then
    build "$target" "$compiler" || {
      [[ ${1:-this} == this && $target == *-portable ]] || exit 1
      echo "native: not built: $compiler cannot compile it for $target. The worker decodes without, more slowly."
    }
  elif [[ ${1:-this} == this ]]; then
    echo "native: not built: no C++ compiler found. Install your system's package 'g++' for faster decoding on CPUs."
  else
    kind=${target#*-}
    kind=${kind%-portable}
    kind=${kind%-avx512}
    package=g++
    [[ $target == "$system-$kind"* && $kind == "$cpu" ]] || package=g++-${kind//_/-}-linux-gnu
    echo "native: $target needs a C++ compiler for it, such as Debian's package '$package'" >&2
    exit 1
  fi
done
