#!/usr/bin/env bash
# To be sourced: finds a JDK for the scripts beside it, in the places where ./worker looks.

NEEDED_JAVA=25

# Sets java_home to the first JDK that is new enough, and java_version to its version.
find_jdk() {
    local on_path
    on_path=$(readlink -f "$(command -v javac || true)" || true)
    # shellcheck disable=SC2086 # a pattern
    for java_home in "${JAVA_HOME:-}" "${on_path%/bin/javac}" ${JDK_FOLDERS-/usr/lib/jvm/*} \
        "${HOME:-}"/.sdkman/candidates/java/* "${HOME:-}"/.jdks/*; do
        [[ -x $java_home/bin/javac && -r $java_home/release ]] || continue
        java_version=$(sed -n 's/^JAVA_VERSION="\([^"]*\)".*/\1/p' "$java_home/release")
        ((${java_version%%[!0-9]*} + 0 < NEEDED_JAVA)) || return 0
    done
    printf '%s\n' "${0##*/}: needs a JDK $NEEDED_JAVA or newer; set JAVA_HOME to its folder" >&2
    return 2
}
