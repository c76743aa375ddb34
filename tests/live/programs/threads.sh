# SPDX-License-Identifier: MIT
# 64 threads on one mutex and one condition: a round is done when each has had its turn.
victim=$bin/../tests/victims/victim_threads
needs=$victim
# The page that victims show: at 8 the line of a failed check, at 16 the rounds, from 32 on those of
# each thread.
number() { od -An -t "u$2" -j "$1" -N "$2" page | tr -d ' '; }
further() { [ "$(number "$1" 8)" -gt "$2" ]; }

start() {
  truncate -s 4096 page
  setsid "$victim" 3<> page < /dev/null > log 2>&1 &
  root=$!
  until_true further 16 100 || fail "no rounds: $(cat log)"
}
work() { [ "$(find "/proc/$root/task" -mindepth 1 -maxdepth 1 | wc -l)" -eq 64 ]; }
verify() {
  local before lane
  before=$(number 16 8)
  until_true further 16 $((before + 100)) || return 1
  for lane in $(seq 0 63); do
    further $((32 + 8 * lane)) $((before + 90)) || return 1
  done
  [ "$(number 8 4)" -eq 0 ] && work
}
quit() { kill -KILL "$root"; }
