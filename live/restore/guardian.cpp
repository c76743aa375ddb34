// SPDX-License-Identifier: MIT
#include "live/restore/guardian.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

namespace img::restore {
namespace {

// In the child. Everything but the pidfds and the pipe is closed, so that it keeps nothing open.
[[noreturn]] void guard(int control, std::span<const int> pidfds) {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  char word = 0;
  const ssize_t got = ::read(control, &word, 1);
  if (got != 1) {
    for (const int pidfd : pidfds) {
      ::syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0);
    }
  }
  ::_exit(0);
}

}  // namespace

Result<void> Guardian::watch(std::span<const pid_t> pids) {
  std::vector<UniqueFd> owned;
  std::vector<int> pidfds;
  for (const pid_t pid : pids) {
    const auto fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (fd < 0) {
      return fail(sys_error(errno, "process " + std::to_string(pid), "watch it"));
    }
    owned.emplace_back(fd);
    pidfds.push_back(fd);
  }
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) {
    return fail(sys_error(errno, "pipe", "make"));
  }
  UniqueFd gate(ends[0]);
  control_.reset(ends[1]);
  pid_ = ::fork();
  if (pid_ < 0) {
    return fail(sys_error(errno, "guardian", "start it"));
  }
  if (pid_ == 0) {
    ::close(control_.release());
    guard(gate.get(), pidfds);
  }
  return {};
}

void Guardian::finish() {
  control_.reset();
  if (pid_ > 0) {
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
  }
}

void Guardian::stand_down() {
  if (control_.is_open()) {
    const char word = 'k';
    static_cast<void>(!::write(control_.get(), &word, 1));
  }
  finish();
}

Guardian::~Guardian() {
  finish();
}

}  // namespace img::restore
