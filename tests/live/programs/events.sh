# SPDX-License-Identifier: MIT
# Loops of events: an epoll within another, with an eventfd semaphore, a timerfd, a signalfd and the
# pidfd of a child that gets descriptors passed; datagrams wait meanwhile. The program runs from
# memory (memfd), and so does its child.
needs="python3 bash"
count() { tail -n 1 count; }
goes_on() { [ "$(count)" -gt "$1" ]; }

start() {
  cat > program.py << 'PYTHON'
import ctypes, os, select, signal, socket, struct, subprocess
libc = ctypes.CDLL(None)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
signals = libc.signalfd(-1, struct.pack("Q", 1 << (signal.SIGUSR1 - 1)), 0)
timer = libc.timerfd_create(1, 0)
libc.timerfd_settime(timer, 0, struct.pack("qqqq", 0, 5000000, 0, 5000000), None)
semaphore = os.eventfd(0, os.EFD_SEMAPHORE)
inner, outer = select.epoll(), select.epoll()
inner.register(semaphore, select.EPOLLIN)
inner.register(timer, select.EPOLLIN | select.EPOLLET)
outer.register(inner.fileno(), select.EPOLLIN)
outer.register(signals, select.EPOLLIN)
here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
listener.bind("\0events")
listener.listen()
caller = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
caller.connect("\0events")
answerer, _ = listener.accept()
child = os.fork()
if child == 0:
    while True:
        message, passed, _, _ = socket.recv_fds(answerer, 100, 1)
        os.write(passed[0], b"got " + message)
        os.close(passed[0])
outer.register(os.pidfd_open(child), select.EPOLLIN)
image = os.memfd_create("program", os.MFD_CLOEXEC)
with open("/bin/bash", "rb") as program:
    os.write(image, program.read())
from_memory = subprocess.Popen(["bash", "-c", "while read -r line; do echo $((line + 1)); done"],
    executable=f"/proc/self/fd/{image}", stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    pass_fds=[image])
os.close(image)
sent = []
with open("count", "a", buffering=1) as out:
    for n in range(1, 1 << 30):
        read, write = os.pipe()
        socket.send_fds(caller, [b"%d" % n], [write])
        os.close(write)
        assert os.read(read, 100) == b"got %d" % n
        os.close(read)
        os.eventfd_write(semaphore, 2)
        assert (inner.fileno(), select.EPOLLIN) in outer.poll(5)
        os.eventfd_read(semaphore)
        os.eventfd_read(semaphore)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert (signals, select.EPOLLIN) in outer.poll(5)
        assert struct.unpack_from("I", os.read(signals, 128))[0] == signal.SIGUSR1
        here.send(b"%d" % n)
        sent.append(n)
        if len(sent) > 8:
            assert there.recv(99) == b"%d" % sent.pop(0)
        assert os.read(timer, 8)
        from_memory.stdin.write(b"%d\n" % n)
        from_memory.stdin.flush()
        assert int(from_memory.stdout.readline()) == n + 1
        out.write(f"{n}\n")
PYTHON
  "$(command -v /usr/bin/python3 || command -v python3)" -c 'import os, sys
os.setsid()
os.execv(sys.executable, [sys.executable, "program.py"])' < /dev/null > log 2>&1 &
  root=$!
  until_true test -s count || fail "it does not begin: $(cat log)"
}
work() { until_true goes_on 5; }
verify() {
  local counted=$(count)
  until_true goes_on $((counted + 20)) && [ ! -s log ]
}
quit() { kill -KILL -- "-$root"; }
