// SPDX-License-Identifier: MIT
#include "live/restore/guardian.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>
#include <vector>

namespace img::restore {
namespace {

// Whatever else we have open would be held open by it: the other ends of the tasks' pipes.
void close_all_but(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  unsigned next = 0;
  for (const int fd : kept) {
    const auto number = static_cast<unsigned>(fd);
    if (number > next) {
      ::close_range(next, number - 1, 0);
    }
    next = number + 1;
  }
  ::close_range(next, ~0U, 0);
}

// In the child.
[[noreturn]] void guard(int control, const std::vector<int>& pidfds) {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  std::vector<int> kept = pidfds;
  kept.push_back(control);
  close_all_but(std::move(kept));
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
