#!/usr/bin/env bash
# Runs a server that neither outlives the worker nor leaves a process behind. The worker starts this text with bash -c,
# in a session of its own.
#
#   run SECONDS MARK COMMAND [ARGUMENT…]   ends when the server has ended, with its status
#   sweep MARK                             kills what a server has left behind
#
# The worker holds the other end of this script's standard input. It closes that end to stop the server, and the system
# closes it if the worker dies, whatever the reason. Then the server gets SIGTERM, and after SECONDS SIGKILL.
#
# The server leads a process group. A process that leaves the group still has the mark in its environment.
set -u
variable=LLMWORKER_ENGINE

# Processes may start others meanwhile, so it searches until it finds none.
kill_marked() {
  local round found
  for ((round = 0; round < 50; round++)); do
    found=$(grep -lszxF -- "$variable=$1" /proc/[0-9]*/environ)
    [[ -n $found ]] || return 0
    found=${found//\/proc\//}
    # shellcheck disable=SC2086 # one word for each process
    kill -KILL ${found//\/environ/}
    sleep 0.02
  done
}

# Stops the server when descriptor 3 ends.
watch() {
  local seconds=$1 mark=$2 server=$3 tenth
  read -r -u 3 _
  kill -TERM -- "-$server"
  for ((tenth = 0; tenth < seconds * 10; tenth++)); do
    kill -0 -- "-$server" || break
    sleep 0.1
  done
  # The first one is for a server that leads no group yet.
  kill -KILL "$server"
  kill -KILL -- "-$server"
  kill_marked "$mark"
}

run() {
  local seconds=$1 mark=$2 server watcher status
  shift 2
  exec 3<&0 </dev/null 5>&2 2>/dev/null
  # Bash lets commands in the background ignore these two signals.
  (trap - INT QUIT && export "$variable=$mark" && exec setsid -- "$@" 2>&5 3<&- 5>&-) &
  server=$!
  watch "$seconds" "$mark" "$server" >/dev/null 5>&- &
  watcher=$!
  wait "$server"
  status=$?
  kill -KILL -- "-$server"
  kill_marked "$mark"
  kill -KILL "$watcher"
  wait "$watcher"
  exit "$status"
}

case $1 in
  run) run "${@:2}" ;;
  sweep) kill_marked "$2" 2>/dev/null ;;
esac
