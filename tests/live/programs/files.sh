# SPDX-License-Identifier: MIT
# Open files of many kinds, in the corners that a restore finds hard. The program looks at all of
# them before it is dumped and when it is told to, and makes new ones for the next round.
needs=python3
# Rings and watches that nobody has mapped, dead ends: so it has made them.
findings="(note|warning) "

start() {
  rm -f ready right
  cat > program.py << 'PYTHON'
import array, ctypes, errno, fcntl, mmap, os, select, signal, socket, struct, sys, termios, time
libc = ctypes.CDLL(None, use_errno=True)
checks = []
def check(make):
    checks.append(make)
    return make
def child(do):
    """The exit code of `do` in a child."""
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(do() or 0)
        except OSError as error:
            os._exit(error.errno)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result

@check
def locks():
    names = ["posix", "flock", "ofd", "lease"]
    fds = [os.open(name, os.O_RDWR | os.O_CREAT, 0o600) for name in names]
    for fd in fds[:3]:
        os.write(fd, b"0123456789")
    fcntl.lockf(fds[0], fcntl.LOCK_EX, 4, 2)
    fcntl.flock(fds[1], fcntl.LOCK_SH)
    whole = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
    fcntl.fcntl(fds[2], 37, whole)  # F_OFD_SETLK
    fcntl.fcntl(fds[3], fcntl.F_SETLEASE, fcntl.F_WRLCK)
    def right():
        def others():
            again = [os.open(name, os.O_RDWR | os.O_NONBLOCK) for name in names[:3]]
            def held(do):
                try:
                    do()
                except OSError as error:
                    return error.errno in (errno.EAGAIN, errno.EACCES)
                return False
            free = not held(lambda: fcntl.lockf(again[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 2, 0))
            return 0 if (free and
                held(lambda: fcntl.lockf(again[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 4, 2)) and
                held(lambda: fcntl.flock(again[1], fcntl.LOCK_EX | fcntl.LOCK_NB)) and
                held(lambda: fcntl.fcntl(again[2], 37, whole))) else 1
        leased = fcntl.fcntl(fds[3], fcntl.F_GETLEASE) == fcntl.F_WRLCK
        locked = child(others) == 0
        for fd in fds:
            os.close(fd)
        return leased and locked
    return right

@check
def memfd_that_runs():
    fd = os.memfd_create("program", 0)
    with open("/bin/true", "rb") as program:
        os.write(fd, program.read())
    return lambda: child(lambda: os.execv(f"/proc/self/fd/{fd}", ["true"])) == 0

@check
def socket_files():
    os.makedirs("sockets", exist_ok=True)
    def bound(kind, path):
        one = socket.socket(socket.AF_UNIX, kind)
        one.bind(path)
        return one
    first = bound(socket.SOCK_STREAM, "sockets/name")
    first.listen()
    os.rename("sockets/name", "sockets/other")
    deleted = bound(socket.SOCK_STREAM, "sockets/name")
    deleted.listen()
    caller = socket.socket(socket.AF_UNIX)
    caller.connect("sockets/name")
    answerer, _ = deleted.accept()
    os.rename("sockets/other", "sockets/name")  # `deleted` has no file any more
    os.makedirs("gone")
    lost = bound(socket.SOCK_DGRAM, "gone/name")
    sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sender.connect("gone/name")
    os.unlink("gone/name")
    os.rmdir("gone")
    renamed = bound(socket.SOCK_DGRAM, "sockets/new")
    os.rename("sockets/new", "sockets/renamed")
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect("sockets/name")
    client = socket.socket(socket.AF_UNIX)
    client.connect("sockets/name")
    first.accept()  # of `waiting`; `client` waits from now on
    halves = socket.socket(socket.AF_UNIX)
    halves.bind("sockets/halves")
    halves.listen()
    dead = socket.socket(socket.AF_UNIX)
    dead.connect("sockets/halves")
    half, _ = halves.accept()
    dead.send(b"bye")
    dead.close()
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    there.send(b"last words")
    there.close()
    def right():
        caller.send(b"a")
        sender.send(b"b")
        server, _ = first.accept()
        client.send(b"c")
        probe = socket.socket(socket.AF_UNIX)
        probe.connect("sockets/name")
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"d", "sockets/renamed")
        answer = (answerer.recv(9), lost.recv(9), server.recv(9), here.recv(20), renamed.recv(9))
        names = (deleted.getsockname(), lost.getsockname(), halves.getsockname())
        accepted, _ = first.accept()
        os.unlink("sockets/name")
        os.unlink("sockets/halves")
        os.unlink("sockets/renamed")
        alone = (half.recv(9), half.recv(9), half.getsockname())
        return (answer == (b"a", b"b", b"c", b"last words", b"d") and
                alone == (b"bye", b"", "sockets/halves") and
                names == ("sockets/name", "gone/name", "sockets/halves") and not os.path.exists("gone"))
    return right

@check
def epoll_on_its_way():
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    epoll = select.epoll()
    epoll.register(there.fileno(), select.EPOLLIN)
    socket.send_fds(here, [b"x"], [epoll.fileno()])
    epoll.close()
    def right():
        _, fds, _, _ = socket.recv_fds(there, 9, 1)
        again = select.epoll.fromfd(fds[0])
        here.send(b"y")
        return again.poll(1) == [(there.fileno(), select.EPOLLIN)]
    return right

@check
def watches():
    os.makedirs("watched", exist_ok=True)
    deleted = os.open("watched/deleted", os.O_RDWR | os.O_CREAT, 0o600)
    fd = call(libc.inotify_init1(os.O_NONBLOCK))
    call(libc.inotify_add_watch(fd, b"watched", 0x100))  # IN_CREATE
    call(libc.inotify_add_watch(fd, b"watched/deleted", 2))  # IN_MODIFY
    os.read(fd, 4096) if select.select([fd], [], [], 0)[0] else None
    os.unlink("watched/deleted")
    def events():
        try:
            data = os.read(fd, 4096)
        except BlockingIOError:
            return []
        out = []
        while data:
            watch, mask, _, length = struct.unpack_from("iIII", data)
            out.append((watch, mask))
            data = data[16 + length:]
        return out
    def right():
        before = events()
        os.write(deleted, b"x")
        open("watched/new", "w").close()
        after = events()
        os.unlink("watched/new")
        return before == [] and after == [(2, 2), (1, 0x100)]
    return right

@check
def terminals():
    master, slave = os.openpty()
    os.close(master)
    fcntl.fcntl(slave, fcntl.F_SETFL, os.O_NONBLOCK)  # has hung up
    whole = os.openpty()
    os.fchown(whole[1], 12, 34)
    settings = termios.tcgetattr(whole[1])
    settings[3] &= ~termios.ICANON
    settings[6] = [bytes([i]) for i in range(1, 20)] + settings[6][19:]
    termios.tcsetattr(whole[1], termios.TCSANOW, settings)
    settings = termios.tcgetattr(whole[1])
    def right():
        owner = (os.fstat(whole[1]).st_uid, os.fstat(whole[1]).st_gid)
        same = termios.tcgetattr(whole[1]) == settings
        for fd in whole:
            os.close(fd)
        return os.read(slave, 1) == b"" and owner == (12, 34) and same
    return right

def controlling():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    os.close(slave)
    def right():
        with open("/dev/tty", "rb+", buffering=0) as seen:
            os.write(master, b"line\n")
            return seen.read(10) == b"line\n" and os.tcgetpgrp(master) == os.getpgrp()
    return right
controlled = controlling()
check(lambda: controlled)

@check
def files_without_names():
    made = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
    os.write(made, b"without a name")
    sparse = os.open("sparse", os.O_RDWR | os.O_CREAT, 0o600)
    for at in range(0, 8 << 20, 8192):
        os.pwrite(sparse, b"%4096d" % at, at)
    os.unlink("sparse")
    def right():
        os.lseek(made, 0, os.SEEK_SET)
        holes = os.lseek(sparse, 8192, os.SEEK_HOLE) == 12288
        return (os.read(made, 99) == b"without a name" and holes and
                all(os.pread(sparse, 4096, at) == b"%4096d" % at for at in range(0, 8 << 20, 8192)))
    return right

@check
def socket_options():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    code = (ctypes.c_ubyte * 16)(*struct.pack("HBBIHBBI", 0x28, 0, 0, 12, 0x6, 0, 0, 0xffff))
    program = struct.pack("HxxxxxxQ", 2, ctypes.addressof(code))
    udp.setsockopt(socket.SOL_SOCKET, 26, program)  # SO_ATTACH_FILTER
    udp.setsockopt(socket.IPPROTO_IP, 15, 1)  # IP_FREEBIND
    udp.bind(("203.0.113.7", 0))
    udp.setsockopt(socket.IPPROTO_IP, 15, 0)
    name = udp.getsockname()
    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 17)
    raw.setsockopt(socket.IPPROTO_IPV6, 49, 1)  # IPV6_RECVPKTINFO
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    server.shutdown(socket.SHUT_WR)
    client.shutdown(socket.SHUT_WR)
    time.sleep(0.02)
    def right():
        got = (ctypes.c_ubyte * 16)()
        count = ctypes.c_int(2)
        call(libc.getsockopt(udp.fileno(), socket.SOL_SOCKET, 26, got, ctypes.byref(count)))
        return (bytes(got) == bytes(code) and udp.getsockname() == name and
                udp.getsockopt(socket.IPPROTO_IP, 15) == 0 and
                raw.getsockopt(socket.IPPROTO_IPV6, 49) == 1 and
                server.recv(1) == client.recv(1) == b"")
    return right

@check
def packets():
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    one.setsockopt(263, 5, struct.pack("IIII", 4096, 1, 2048, 2))  # PACKET_RX_RING
    ring = mmap.mmap(one.fileno(), 4096, mmap.MAP_SHARED)
    one.bind(("lo", 3))
    def right():
        with open("/proc/self/maps") as maps:
            mapped = any(f"socket:[{os.fstat(one.fileno()).st_ino}]" in line for line in maps)
        until = time.monotonic() + 5
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while ring[:4] == bytes(4) and time.monotonic() < until:
            udp.sendto(b"frame", ("127.0.0.1", 9))
        return mapped and ring[:4] != bytes(4) and one.getsockname()[0] == "lo"
    return right

@check
def marks():
    fd = call(libc.fanotify_init(2, os.O_RDONLY))  # FAN_NONBLOCK
    with open("marked", "w"):
        pass
    call(libc.fanotify_mark(fd, 1, ctypes.c_ulonglong(2), -100, b"marked"))  # FAN_MODIFY
    def described():
        with open(f"/proc/self/fdinfo/{fd}") as info:
            return [line for line in info if line.startswith("fanotify")]
    before = described()
    return lambda: described() == before

@check
def others():
    semaphore = libc.eventfd(3, 1 | os.O_NONBLOCK)  # EFD_SEMAPHORE
    network = os.open("/proc/self/ns/net", os.O_RDONLY)
    name = os.readlink(f"/proc/self/fd/{network}")
    init = os.open("/proc/1/stat", os.O_RDONLY)
    def right():
        one = struct.unpack("Q", os.read(semaphore, 8))[0]
        return (one == 1 and os.readlink(f"/proc/self/fd/{network}") == name and
                os.read(init, 2) == b"1 ")
    return right

for n in range(1, 100):
    left = [(make.__name__, make()) for make in checks]
    open("ready", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.01)
    for name, right in left:
        if not right():
            print(name, "is not as it was", flush=True)
    os.unlink("go")
    os.unlink("ready")
    del left, right
    open("right", "w").close()
PYTHON
  "$(command -v /usr/bin/python3 || command -v python3)" -c 'import os, sys
os.setsid()
os.execv(sys.executable, [sys.executable, "program.py"])' < /dev/null > log 2>&1 &
  root=$!
}
work() { until_true test -e ready || fail "it does not begin"; }
verify() {
  rm -f right
  touch go
  until_true test -e right && [ ! -s log ]
}
quit() { kill -KILL "$root"; }
