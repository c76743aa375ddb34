# SPDX-License-Identifier: MIT
# Two threads compress in the middle of a pipeline: what comes out is what would have come out.
needs="xz seq sha256sum"
transient="seq|bash"
findings="PIP-4 warning .* has only readers"  # of a child that has ended meanwhile: so it is

start() {
  cat > program << 'BASH'
{
  n=0
  until [ -e finish ]; do
    seq 200000
    echo $((++n)) > times
    read -t 0.01 < <(:) || true
  done
} | xz -T2 -1 --block-size=256KiB | tee packed | sha256sum > sum
BASH
  setsid bash program < /dev/null > log 2>&1 &
  root=$!
  until_true test -s packed || fail "nothing comes out: $(cat log)"
}
work() { :; }
expected() { for _ in $(seq "$(cat times)"); do seq 200000; done; }
verify() {
  [ $((round % 2)) -eq 0 ] || [ "$round" -eq "$rounds" ] || return 0
  touch finish
  until_true is_gone && [ "$(sha256sum < packed)" = "$(cat sum)" ] &&
    [ "$(xz -dc packed | sha256sum)" = "$(expected | sha256sum)" ]
}
quit() { :; }
