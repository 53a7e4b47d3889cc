#!/usr/bin/env bash
# To be sourced in the root of the checkout: what both programs that pack a worker have in common, and how to see what was packed.
# shellcheck source=src/test/find-jdk.sh
. src/test/find-jdk.sh

# Builds the worker, unless it is built from these sources.
build_worker() {
  if [[ ! -f target/worker.jar || -n $(find pom.xml src/main -newer target/worker.jar -print -quit) ]]; then
    mvn -q -B -ntp -Dmaven.test.skip=true package
  fi
}

# Prints what a worker packed now by the program $1 would be made of. It goes into the file `packed` beside it.
contents_for() {
  find_jdk || return
  echo "$1, JDK $java_version"
  sha256sum target/worker.jar src/main/jvm/java.args docker/image.args "$1"
}

# True if the file $1 says that the program $2 packed it with this JDK from this build.
is_current() {
  [[ -f $1 ]] && contents_for "$2" | cmp -s - "$1"
}

# Packs with the program $2 and its arguments, unless the file $1 says that it has done so.
pack_unless_current() {
  local packed=$1
  shift
  build_worker && { is_current "$packed" "$1" || "$@"; }
}
