# SPDX-License-Identifier: MIT
# Periodic timers that have run out when they are dumped run out again.
victim=$bin/../tests/victims/victim_timers
needs=$victim
number() { od -An -t "u$2" -j "$1" -N "$2" page | tr -d ' '; }
further() { [ "$(number 16 8)" -gt "$1" ]; }

start() {
  truncate -s 4096 page
  setsid "$victim" 3<> page < /dev/null > log 2>&1 &
  root=$!
  until_true further 2 || fail "no rounds: $(cat log)"
}
work() { :; }
verify() {
  until_true further $(($(number 16 8) + 5)) && [ "$(number 8 4)" -eq 0 ] || fail "check in line $(number 8 4), rounds $(number 16 8)"
}
quit() { kill -KILL "$root"; }
