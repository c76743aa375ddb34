# SPDX-License-Identifier: MIT
# An interactive shell with a terminal of its own, typed to: its line editor, jobs, and a stopped one.
needs="script bash"
transient=sleep
typed() { printf '%s\r' "$1" > keys; }
has() { grep -qsx "$1" said; }

start() {
  mkfifo keys
  exec 9<> keys
  TERM=vt100 setsid script -f -q -c 'bash --norc --noprofile -i' typescript < keys > log 2>&1 9>&- &
  root=$!
  typed 'sleep 1000'
  until_true pgrep -x sleep > out || fail "no shell: $(cat log typescript)"
  printf '\032' > keys  # stop it
  typed 'jobs > said; echo begun >> said'
  until_true has begun || fail "it does not stop: $(cat typescript)"
}
work() { :; }
verify() {
  # A character is taken back by the line editor; the job goes on, and is stopped again.
  typed "echo roundx$(printf '\177')$round >> said; bg"
  until_true has "round$round" && typed 'kill -STOP %1; wait -f; jobs >> said; echo looked >> said' &&
    until_true has looked && [ "$(ps -o stat= -C sleep | cut -c 1)" = T ] &&
    grep -q 'Stopped.*sleep 1000' said || return 1
  sed -i /looked/d said
}
quit() {
  kill -KILL "$(pgrep -x sleep)"
  typed 'exit'
  typed 'exit'
  exec 9>&-
}
