# SPDX-License-Identifier: MIT
# Sessions and process groups as they come about in years: leaders that have ended, and are waited
# for or not, orphans in the sessions of others, a stopped group; and 300 children that nobody has
# waited for yet, each with its own end.
needs="python3 ps"
tree() { ps -eo pid=,ppid=,pgid=,sid=,stat=,comm= | grep python | tr R S; }

start() {
  cat > program.py << 'PYTHON'
import ctypes, os, signal, time
ctypes.CDLL(None).prctl(36, 1)  # PR_SET_CHILD_SUBREAPER: orphans stay in the tree
def child(do=lambda: None):
    pid = os.fork()
    if pid == 0:
        do()
        while True:
            signal.pause()
    return pid
def lead_group():
    os.setpgid(0, 0)
def session():
    os.setsid()
    child(child)
    def group():
        lead_group()
        child()
        child(lambda: child(lead_group))
    child(group)
    def group_without_leader():
        lead_group()
        child()
        os._exit(0)
    child(group_without_leader)
def session_without_leader():
    os.setsid()
    child(lambda: child(lead_group))
    os._exit(3)
def stopped_group():
    leader = child(lead_group)
    time.sleep(0.05)
    other = child()
    os.setpgid(other, leader)
    child(lambda: os.setpgid(0, leader))
    os.kill(leader, signal.SIGSTOP)
def session_of_an_orphan():
    def ends():
        child(os.setsid)
        child()
        os._exit(1)
    child(ends)
for do in session, session_without_leader, stopped_group, session_of_an_orphan:
    child(do)
ended = [child(lambda: os._exit(i % 256) if i % 3 else os.kill(os.getpid(), 9)) for i in range(300)]
time.sleep(0.3)
open("ready", "w").close()
while not os.path.exists("reap"):
    time.sleep(0.01)
ends = [os.waitpid(pid, 0)[1] for pid in ended]
right = ends == [i % 256 << 8 if i % 3 else 9 for i in range(300)]
os.rename("reap", "right" if right else "wrong")
while True:
    signal.pause()
PYTHON
  "$(command -v /usr/bin/python3 || command -v python3)" -c 'import os, sys
os.setsid()
os.execv(sys.executable, [sys.executable, "program.py"])' < /dev/null > log 2>&1 &
  root=$!
  until_true test -e ready || fail "it does not begin: $(cat log)"
}
work() { before=$(tree); }
verify() {
  [ "$(tree)" = "$before" ] || return 1
  touch reap
  if [ "$round" -eq 1 ]; then
    until_true test -e right
  else
    rm reap right
  fi
}
quit() { kill -KILL -1; }
