#!/usr/bin/env bash
# Runs the random tests with fresh seeds, one run after another, until the time is over or a test fails.
#
# usage: src/test/fuzz.sh [MINUTES]     (default 10; the run that has begun by then is finished)
# ROUNDS=5 is how many times the usual number of rounds each run has.
set -euo pipefail
cd "$(dirname "$0")/../.."

minutes=${1:-10}
rounds=${ROUNDS:-5}
if ! [[ $minutes =~ ^[1-9][0-9]{0,3}$ && $rounds =~ ^[1-9][0-9]{0,2}$ ]]; then
    echo "usage: src/test/fuzz.sh [MINUTES], 1 to 9999; ROUNDS must be 1 to 999" >&2
    exit 2
fi

mvn -q -B -ntp test-compile
end=$((SECONDS + 60 * minutes))
runs=0
while ((SECONDS < end)); do
    seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
    echo "run $((++runs)): seed $seed, after $((SECONDS)) s"
    if ! mvn -q -B -ntp toolchains:select-jdk-toolchain@default surefire:test -Dgroups=random -Dseed="$seed" -Drounds="$rounds"; then
        echo "A test failed with seed $seed. To repeat the run:" >&2
        echo "    mvn test -Dgroups=random -Dseed=$seed -Drounds=$rounds" >&2
        exit 1
    fi
done
echo "$runs runs passed"
