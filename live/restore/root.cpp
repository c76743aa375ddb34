// SPDX-License-Identifier: MIT
#include "live/restore/root.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "libimg/base/unique_fd.h"

namespace img::restore {
namespace {

constexpr std::chrono::seconds kStopTime{10};
constexpr int kAttempts = 200;  // a pid is taken a moment longer than its task is seen
constexpr useconds_t kPause = 1000;

// In the child: only calls, no library, since other threads of ours may have held locks.
[[noreturn]] void wait_to_be_made(const trace::Workbench& bench, int gate, int other_end) {
  ::syscall(SYS_close, other_end);
  auto* at = reinterpret_cast<void*>(bench.start);
  const long mapped = ::syscall(SYS_mmap, at, trace::Workbench::kBytes, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (reinterpret_cast<void*>(mapped) == at) {
    ::syscall(SYS_mprotect, at, trace::Workbench::kCodeBytes, PROT_READ | PROT_EXEC);
    char byte = 1;
    ::syscall(SYS_write, gate, &byte, 1);
    ::syscall(SYS_read, gate, &byte, 1);  // until the other end is closed, or we are taken over
  }
  for (;;) {
    ::syscall(SYS_exit_group, 127);
  }
}

Result<pid_t> clone_root(std::uint32_t pid, const trace::Workbench& bench,
                         const RootOptions& options, int gate, int other_end) {
  pid_t wanted = static_cast<pid_t>(pid);
  clone_args args{};
  args.flags = CLONE_CLEAR_SIGHAND | (options.is_sibling ? CLONE_PARENT : 0);
  args.exit_signal = options.is_sibling ? 0 : SIGCHLD;
  args.set_tid = reinterpret_cast<std::uint64_t>(&wanted);
  args.set_tid_size = 1;
  for (int attempt = 0;; ++attempt) {
    const long made = ::syscall(SYS_clone3, &args, sizeof args);
    if (made == 0) {
      wait_to_be_made(bench, gate, other_end);
    }
    if (made > 0) {
      return static_cast<pid_t>(made);
    }
    if (errno != EEXIST || attempt == kAttempts) {
      return fail(sys_error(errno, "process " + std::to_string(pid), "make it"));
    }
    ::usleep(kPause);
  }
}

}  // namespace

Result<MadeTask> make_root(std::uint32_t pid, const trace::Workbench& bench,
                           const RootOptions& options) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) < 0) {
    return fail(sys_error(errno, "socket pair", "make"));
  }
  const UniqueFd ours(ends[0]);
  UniqueFd gate(ends[1]);
  IMG_ASSIGN(const pid_t made, clone_root(pid, bench, options, gate.get(), ours.get()));
  gate.reset();
  char byte = 0;
  if (::read(ours.get(), &byte, 1) != 1) {
    return fail(Fault::gone, "process " + std::to_string(pid), "make it", "it has ended at once");
  }
  trace::SeizeOptions seize;
  seize.follow = true;
  seize.exit_kill = true;
  seize.suspend_seccomp = options.suspend_seccomp;
  IMG_ASSIGN(trace::Tracee tracee, trace::Tracee::seize(made, seize));
  IMG_TRY(tracee.bring_to_stop(trace::Clock::now() + kStopTime));
  IMG_ASSIGN(trace::RemoteMemory memory, trace::RemoteMemory::open(made));
  return MadeTask{
      pid, made, made, std::move(tracee), std::make_shared<trace::RemoteMemory>(std::move(memory)),
      true};
}

}  // namespace img::restore
