# SPDX-License-Identifier: MIT
# A database in the middle of a transaction: its locks hold, its journal is there, it still commits.
needs=sqlite3
tell() { printf '%s\n' "$@" > input; }
has_line() { grep -qxF "$1" output 2> /dev/null; }

start() {
  mkfifo input
  setsid sqlite3 base.db <> input > output 2>&1 &
  root=$!
  tell 'pragma cache_size=10;' 'create table t(n integer, text text);' \
    'insert into t values (0, "first");' 'select "made";'
  until_true has_line made || fail "sqlite3 does not answer: $(cat output)"
  committed=1
}
work() {
  tell 'begin exclusive;' \
    "with recursive r(n) as (select 1 union all select n + 1 from r where n < 2000)
     insert into t select n, hex(randomblob(100)) from r;" "select 'round $1';"
  until_true has_line "round $1" || fail "no transaction: $(cat output)"
  [ -s base.db-journal ] || fail "no journal"
}
verify() {
  # Nobody else gets in until it commits.
  [[ $(sqlite3 base.db 'select count(*) from t;' 2>&1) = *locked* ]] || return 1
  tell 'commit;' "select 'committed $round';"
  until_true has_line "committed $round" || return 1
  committed=$((committed + 2000))
  [ "$(sqlite3 base.db 'select count(*) from t; pragma integrity_check;' | tr '\n' ' ')" = "$committed ok " ] &&
    ! grep -qi error output
}
quit() { tell .quit; }
