# SPDX-License-Identifier: MIT
# A database server keeps a System V segment, which is not kept in this version: it is refused in
# words, and serves on.
needs="runuser setpriv psql"
refusal="System V segment"
transient=postgres
for binaries in /usr/lib/postgresql/*/bin /nowhere; do
  [ ! -x "$binaries/postgres" ] || break
done
needs="$needs $binaries/postgres"
ask() { runuser -u postgres -- psql -h "$PWD" -d postgres -Atc "$1" 2> /dev/null; }
answers() { [ "$(ask 'select 1')" = 1 ]; }

start() {
  chmod 711 "$scratch" "$PWD"
  mkdir base
  chown postgres base .
  runuser -u postgres -- "$binaries/initdb" -N -A trust -D base > log 2>&1 || fail "initdb: $(cat log)"
  setsid setpriv --reuid postgres --regid postgres --clear-groups "$binaries/postgres" -D base -k "$PWD" -c listen_addresses= -c fsync=off \
    < /dev/null > log 2>&1 &
  until_true answers || fail "postgres does not answer: $(cat log)"
  root=$(head -n 1 base/postmaster.pid)
  rows=0
  ask 'create table t(n int)' > log2
}
work() {
  ask "insert into t values ($1)" > log2
  rows=$((rows + 1))
}
verify() { [ "$(ask 'select count(*) from t')" = "$rows" ]; }
quit() { kill -INT "$root"; }
