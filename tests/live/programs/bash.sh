# SPDX-License-Identifier: MIT
# Pipelines of processes: no line is lost or doubled, traps and substitutions work on.
needs="bash sed awk tee"
transient="sleep|bash"
findings="PIP-4 warning .* has only readers"  # of a child that has ended meanwhile: so it is

start() {
  cat > program << 'BASH'
trap 'echo usr1 >> signals' USR1
trap 'exit 0' TERM
while :; do echo $((++n)); read -t 0.003 < <(:) || true; done | tee first |
  sed -u 's/^/line /' | awk '{ print; fflush() }' > second &
for ((i = 1; ; ++i)); do
  echo "$i $(echo "$i" | (read -r x; echo $((x * 2))))" >> third
  sleep 0.02
done
BASH
  setsid bash program < /dev/null > log 2>&1 &
  root=$!
  until_true test -s second || fail "no line: $(cat log)"
}
lines() { wc -l < "$1"; }
more() { [ "$(lines "$1")" -gt "$2" ]; }
work() { until_true more third 10; }
verify() {
  local before_second=$(lines second) before_third=$(lines third) signals
  touch signals
  signals=$(lines signals)
  kill -USR1 "$root"
  until_true more second $((before_second + 20)) && until_true more third $((before_third + 5)) &&
    until_true more signals "$signals" && [ ! -s log ] || return 1
  head -n -1 second | awk '$1 != "line" || $2 != NR { exit 1 }' &&
    head -n -1 third | awk '$1 != NR || $2 != 2 * NR { exit 1 }'
}
quit() { kill -TERM -- "-$root"; }
