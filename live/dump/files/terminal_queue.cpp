// SPDX-License-Identifier: MIT
#include "live/dump/files/terminal_queue.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <utility>

namespace img::dump {
namespace {

constexpr std::size_t kQueueBytes = 4096;  // what a terminal holds
constexpr const char* kThing = "pty";

/// No echo, no signals, nothing translated. For reading, all is there at once; what is put back
/// becomes lines again where lines are read.
class Plain {
 public:
  [[nodiscard]] static Result<Plain> begin(int terminal) {
    Plain out(terminal);
    if (::tcgetattr(terminal, &out.before_) != 0) {
      return fail(sys_error(errno, kThing, "tcgetattr"));
    }
    termios plain = out.before_;
    plain.c_iflag = 0;
    plain.c_oflag &= ~static_cast<tcflag_t>(OPOST);
    plain.c_lflag = 0;
    plain.c_cc[VMIN] = 0;
    plain.c_cc[VTIME] = 0;
    IMG_TRY(out.set(plain));
    out.is_set_ = true;
    return out;
  }
  [[nodiscard]] bool has_lines() const { return (before_.c_lflag & ICANON) != 0; }
  [[nodiscard]] Result<void> make_lines() const {
    termios plain = before_;
    plain.c_iflag = 0;
    plain.c_oflag &= ~static_cast<tcflag_t>(OPOST);
    plain.c_lflag &= ICANON;
    return set(plain);
  }
  Plain(Plain&& other) noexcept
      : terminal_(other.terminal_),
        before_(other.before_),
        is_set_(std::exchange(other.is_set_, false)) {}
  Plain& operator=(Plain&&) = delete;
  ~Plain() {
    if (is_set_) {
      ::tcsetattr(terminal_, TCSANOW, &before_);
    }
  }

 private:
  [[nodiscard]] Result<void> set(const termios& to) const {
    if (::tcsetattr(terminal_, TCSANOW, &to) != 0) {
      return fail(sys_error(errno, kThing, "tcsetattr"));
    }
    return {};
  }
  explicit Plain(int terminal) : terminal_(terminal) {}
  int terminal_;
  termios before_{};
  bool is_set_ = false;
};

Result<std::vector<std::byte>> take(int terminal) {
  std::vector<std::byte> out(kQueueBytes);
  std::size_t size = 0;
  while (size < out.size() && waiting_in(terminal) > 0) {
    const ssize_t got = ::read(terminal, out.data() + size, out.size() - size);
    if (got < 0 && errno != EAGAIN) {
      return fail(sys_error(errno, kThing, "read"));
    }
    if (got <= 0) {
      break;
    }
    size += static_cast<std::size_t>(got);
  }
  out.resize(size);
  return out;
}

/// A write to one end is handed to the other by a worker of the kernel. Before the settings are put
/// back it must have come through them.
constexpr int kHandOverTries = 2000;
constexpr useconds_t kHandOverMicros = 100;

Result<void> write_all_of(int end, Bytes bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t put = ::write(end, bytes.data() + at, bytes.size() - at);
    if (put <= 0) {
      return fail(sys_error(put < 0 ? errno : EIO, kThing, "write back what was read"));
    }
    at += static_cast<std::size_t>(put);
  }
  return {};
}

// A line that goes on is not counted by who waits for lines, so for that only time helps.
Result<void> put_back(int from, int to, Bytes bytes, bool by_lines) {
  const std::string_view text = as_text(bytes);
  const std::size_t countable = by_lines ? text.rfind('\n') + 1 : text.size();
  IMG_TRY(write_all_of(from, bytes));
  for (int i = 0; i < kHandOverTries && waiting_in(to) < countable; ++i) {
    ::usleep(kHandOverMicros);
  }
  if (countable != text.size()) {
    ::usleep(50 * kHandOverMicros);
  }
  return {};
}

}  // namespace

std::size_t waiting_in(int terminal) {
  int bytes = 0;
  return ::ioctl(terminal, FIONREAD, &bytes) == 0 && bytes > 0 ? static_cast<std::size_t>(bytes)
                                                               : 0;
}

namespace {

Result<PtyQueues> take_and_put_back(int master, int slave) {
  PtyQueues out;
  // With its own flags: the program's may let a read wait for more.
  const std::string path = "/proc/self/fd/" + std::to_string(slave);
  const UniqueFd own(::open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
  if (!own.is_open()) {
    return fail(sys_error(errno, kThing, "open again"));
  }
  IMG_ASSIGN(const Plain plain, Plain::begin(own.get()));
  IMG_ASSIGN(out.of_master, take(master));
  IMG_ASSIGN(out.of_slave, take(own.get()));
  IMG_TRY(plain.make_lines());
  IMG_TRY(put_back(own.get(), master, out.of_master, false));
  IMG_TRY(put_back(master, own.get(), out.of_slave, plain.has_lines()));
  return out;
}

/// What the keeper has found, in memory that we share with it.
struct Found {
  bool is_done = false;
  Fault fault = Fault::io;
  int sys_errno = 0;
  std::size_t master_bytes = 0;
  std::size_t slave_bytes = 0;
  std::array<std::byte, kQueueBytes> master;
  std::array<std::byte, kQueueBytes> slave;
};

// In a session of its own: what ends us and our group does not end it.
[[noreturn]] void keep(int master, int slave, Found& found) {
  ::setsid();
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);
  const Result<PtyQueues> queues = take_and_put_back(master, slave);
  if (!queues) {
    found.fault = queues.error().fault;
    found.sys_errno = queues.error().sys_errno;
    ::_exit(1);
  }
  found.master_bytes = queues->of_master.size();
  found.slave_bytes = queues->of_slave.size();
  std::copy(queues->of_master.begin(), queues->of_master.end(), found.master.begin());
  std::copy(queues->of_slave.begin(), queues->of_slave.end(), found.slave.begin());
  found.is_done = true;
  ::_exit(0);
}

}  // namespace

Result<PtyQueues> look_at_queues(int master, int slave) {
  void* const shared =
      ::mmap(nullptr, sizeof(Found), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) {
    return fail(sys_error(errno, kThing, "map memory for its queue"));
  }
  auto& found = *new (shared) Found;
  const auto unmapped = [&](Result<PtyQueues> out) {
    ::munmap(shared, sizeof(Found));
    return out;
  };
  const pid_t keeper = ::fork();
  if (keeper == 0) {
    keep(master, slave, found);
  }
  if (keeper < 0 || ::waitpid(keeper, nullptr, 0) < 0) {
    return unmapped(fail(sys_error(errno, kThing, "look at its queue in a process of its own")));
  }
  if (!found.is_done) {
    return unmapped(fail(sys_error(found.sys_errno, kThing, "look at its queue")));
  }
  PtyQueues out;
  out.of_master.assign(found.master.begin(), found.master.begin() + found.master_bytes);
  out.of_slave.assign(found.slave.begin(), found.slave.begin() + found.slave_bytes);
  return unmapped(std::move(out));
}

}  // namespace img::dump
