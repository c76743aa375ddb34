# SPDX-License-Identifier: MIT
# A server with 100,000 keys: all there, it answers, and its counter goes on.
needs="redis-server redis-cli"
ask() { redis-cli -s "$PWD/socket" "$@" 2> /dev/null; }
answers() { [ "$(ask ping)" = PONG ]; }

start() {
  setsid ${wrapper:-} redis-server --port 6379 --unixsocket "$PWD/socket" --save '' --dir "$PWD" \
    --enable-debug-command local > log 2>&1 < /dev/null &
  root=$!
  until_true answers || fail "redis-server does not answer: $(cat log)"
  ask debug populate 100000 key 100 > keys
}
work() {
  ask incr counter > counter
  ask set "round $1" done > set
  digest=$(ask debug digest)
  size=$(ask dbsize)
}
verify() { is_right; }
is_right() {
  [ "$(ask debug digest)" = "$digest" ] && [ "$(ask dbsize)" = "$size" ] &&
    [ "$(ask incr counter)" = "$(($(cat counter) + 1))" ] &&
    [ "$(redis-cli -p 6379 getrange key:99999 0 10)" = value:99999 ]
}
quit() { ask shutdown nosave; }
