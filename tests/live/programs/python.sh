# SPDX-License-Identifier: MIT
# An interpreter with threads, locks, timers, pipes and open files, which checks itself.
needs=python3
count() { tail -n 1 "$1"; }
goes_on() { [ "$(count "$1")" -gt "$2" ]; }

start() {
  cat > program.py << 'PYTHON'
import hashlib, os, queue, signal, subprocess, threading, time
data = os.urandom(4 << 20)
digest = hashlib.sha256(data).hexdigest()
numbers = {str(i): [i] * 3 for i in range(20000)}
out = open("count", "a", buffering=1)
back = open("program.py")
back.read(100)
deleted = open("deleted", "w+")
deleted.write("still here")
deleted.flush()
os.unlink("deleted")
work, done = queue.Queue(), queue.Queue()
lock = threading.Lock()
ticks = 0
def worker():
    while True:
        item = work.get()
        with lock:
            done.put(item * item)
def sleeper():
    while True:
        time.sleep(0.02)
def on_alarm(*_):
    global ticks
    ticks += 1
signal.signal(signal.SIGALRM, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
for _ in range(6):
    threading.Thread(target=worker, daemon=True).start()
for _ in range(3):
    threading.Thread(target=sleeper, daemon=True).start()
child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
n = 0
while True:
    n += 1
    for i in range(10):
        work.put(n + i)
    got = sorted(done.get(timeout=20) for i in range(10))
    assert got == [(n + i) ** 2 for i in range(10)], "threads"
    child.stdin.write(b"%d\n" % n)
    child.stdin.flush()
    assert int(child.stdout.readline()) == n, "pipes"
    assert numbers[str(n % 20000)] == [n % 20000] * 3, "memory"
    assert back.tell() == 100, "position"
    if n % 20 == 0:
        assert hashlib.sha256(data).hexdigest() == digest, "data"
        deleted.seek(0)
        assert deleted.read() == "still here", "deleted file"
    out.write(f"{n}\n")
    with open("ticks", "a") as f:
        f.write(f"{ticks}\n")
    time.sleep(0.005)
PYTHON
  "$(command -v /usr/bin/python3 || command -v python3)" -c 'import os, sys
os.setsid()
os.execv(sys.executable, [sys.executable, "program.py"])' < /dev/null > log 2>&1 &
  root=$!
  until_true test -s count || fail "python does not begin: $(cat log)"
}
work() {
  until_true goes_on count 10
  threads=$(find "/proc/$root/task" -mindepth 1 -maxdepth 1 | wc -l)
}
verify() {
  local counted=$(count count) ticked=$(count ticks)
  until_true goes_on count $((counted + 25)) && until_true goes_on ticks $((ticked + 3)) &&
    [ ! -s log ] &&
    [ "$(find "/proc/$root/task" -mindepth 1 -maxdepth 1 | wc -l)" = "$threads" ]
}
quit() { kill -TERM "$root"; }
