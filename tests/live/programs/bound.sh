# SPDX-License-Identifier: MIT
# The server of redis.sh, all of its threads bound to one CPU, with an I/O priority, a core filter
# and a timer slack of their own: set from outside, as people do.
. "$here/redis.sh"
needs="$needs taskset ionice"
wrapper="taskset -c 0 ionice -c 2 -n 6"
settings() {
  for task in "/proc/$root/task"/*; do
    taskset -p "${task##*/}" | sed 's/.*: //'
    ionice -p "${task##*/}"
  done
  cat "/proc/$root/coredump_filter" "/proc/$root/timerslack_ns"
}

work() {
  echo 0x7 > "/proc/$root/coredump_filter"
  echo 70000 > "/proc/$root/timerslack_ns"
  ask incr counter > counter
  ask set "round $1" done > set
  digest=$(ask debug digest)
  size=$(ask dbsize)
  settings > settings
  grep -q "best-effort: prio 6" settings || fail "ionice did nothing"
}
verify() { is_right && settings | cmp - settings; }
