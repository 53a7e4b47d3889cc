#!/usr/bin/env bash
# To be sourced in the root of the checkout: what both programs that pack a worker have in common, and how to see what was packed.
# shellcheck source=src/test/find-jdk.sh
. src/test/find-jdk.sh

# Prints a source that is newer than the worker, or a folder that has lost one. Python writes into its own folder.
changed_sources() {
  find pom.xml src/main -newer target/worker.jar -not -path '*/__pycache__*' -not -path src/main/torchscript -print -quit
}

# Builds the worker, unless it is built from these sources.
build_worker() {
  if [[ ! -f target/worker.jar || -n $(changed_sources) ]]; then
    mvn -q -B -ntp -Dmaven.test.skip=true package || return
    # Maven leaves the file alone if nothing in it changes.
    touch target/worker.jar
  fi
}

# Prints what a worker packed now by the program $1 with the model $2 would be made of. It goes into the file `packed` beside it.
contents_for() {
  find_jdk || return
  echo "$1, JDK $java_version"
  echo "options:${2:+ MODEL $2}${DJL_SOURCE:+ DJL_SOURCE=$DJL_SOURCE${TORCH_VERSION:+ TORCH_VERSION=$TORCH_VERSION}}"
  find target/worker.jar src/main/jvm/java.args docker/image.args routes "$1" -type f -print0 | sort -z | xargs -0 sha256sum
}

# True if the file $1 says that the program $2 packed it with this JDK from this build, with these options or, if there are none now,
# with any.
is_current() {
  local now
  [[ -f $1 ]] && now=$(contents_for "$2") || return
  [[ $now == "$(<"$1")" ]] || { grep -qx 'options:' <<<"$now" &&
    [[ $(grep -v '^options:' <<<"$now") == "$(grep -v '^options:' "$1")" ]]; }
}

# Packs with the program $2, unless the file $1 says that it has done so. What was packed with other options is not replaced.
pack_unless_current() {
  local packed=$1 options
  shift
  build_worker || return
  ! is_current "$packed" "$1" || return 0
  options=$(sed -n 's/^options: //p' "$packed" 2>/dev/null || true)
  if [[ -n $options ]] && ! grep -qxF "options: $options" <<<"$(contents_for "$1")"; then
    echo "$packed is not of these sources or options, and was packed with $options: run $1 so again, or delete the file" >&2
    return 1
  fi
  "$@"
}
