#!/usr/bin/env bash
# Compiles with javac alone, and runs the named tests. This takes seconds, where Maven takes a minute, and checks less:
# Maven also runs NullAway and Error Prone. What Maven generates comes from target/classes.
#
# usage: src/test/quick.sh [-n] TEST…
#     TEST is CLASS or CLASS#METHOD; * stands for any characters. With -n, it runs what was compiled last.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=src/test/find-jdk.sh
. src/test/find-jdk.sh
readonly OUT=target/quick

fail() {
    printf '%s\n' "quick.sh: $1" >&2
    exit 2
}

# Compiles into the folder in $1, with javac's arguments after it.
compile() {
    rm -rf "$1"
    mkdir -p "$1"
    "$java_home/bin/javac" -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -nowarn -proc:none -parameters -g \
        -XDignore.symbol.file -d "$@"
}

# Prints the sources of the named tests. A package before a name is left out.
test_sources() {
    local name found
    for name in "$@"; do
        name=${name%%#*}
        found=$(find src/test/java -name "${name##*.}.java")
        [[ -n $found ]] || fail "there is no test $name"
        printf '%s\n' "$found"
    done
}

compiling=yes
if [[ ${1:-} == -n ]]; then
    compiling=
    shift
fi
(($# > 0)) || fail "usage: src/test/quick.sh [-n] TEST…"
[[ -d target/classes ]] || fail "run this once, for what Maven generates: mvn test-compile"
find_jdk

if [[ ! -f $OUT/class-path || pom.xml -nt $OUT/class-path ]]; then
    mkdir -p $OUT
    mvn -q -B -ntp dependency:build-classpath -Dmdep.includeScope=test -Dmdep.outputFile=$OUT/class-path
fi
libraries=$(<$OUT/class-path)

main=(src/main/java src/main/java17 src/main/generated/java)
if [[ $compiling ]]; then
    sources=$(test_sources "$@")
    if [[ ! -f $OUT/main-is-compiled || -n $(find "${main[@]}" -newer $OUT/main-is-compiled -print -quit) ]]; then
        rm -f $OUT/main-is-compiled
        touch $OUT/main-begun
        find "${main[@]}" -name '*.java' >$OUT/sources
        compile $OUT/classes -cp "$libraries" @$OUT/sources
        mv $OUT/main-begun $OUT/main-is-compiled
    fi
    helpers=src/test/java/dev/llmworker
    printf '%s\n' "$sources" $helpers/testing/NamedTests.java $helpers/model/decoder/CopiedPrograms.java >$OUT/sources
    compile $OUT/test-classes -cp "$OUT/classes:target/classes:$libraries" -sourcepath src/test/java -implicit:class @$OUT/sources
fi

# As Maven starts the tests.
arguments=$(sed -n 's:.*<jvm.arguments>\(.*\)</jvm.arguments>.*:\1:p' pom.xml)
# shellcheck disable=SC2086 # several words
exec "$java_home/bin/java" $arguments -XX:TieredStopAtLevel=1 -DOPT_OUT_TRACKING=true -Dbasedir="$PWD" \
    -cp "$OUT/test-classes:$OUT/classes:src/test/resources:src/main/resources:target/classes:$libraries" \
    dev.llmworker.testing.NamedTests $OUT/test-classes "$@"
