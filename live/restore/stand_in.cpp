// SPDX-License-Identifier: MIT
#include "live/restore/stand_in.h"

#include <linux/sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace img::restore {

Result<pid_t> make_stand_in(std::uint32_t pid) {
  auto wanted = static_cast<pid_t>(pid);
  clone_args args{};
  args.exit_signal = SIGCHLD;
  if (pid != 0) {
    args.set_tid = reinterpret_cast<std::uintptr_t>(&wanted);
    args.set_tid_size = 1;
  }
  const long made = ::syscall(SYS_clone3, &args, sizeof args);
  if (made == 0) {
    // Only calls that need no lock: another thread of ours may have held any at the fork.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
      ::syscall(SYS_pause);
    }
  }
  if (made < 0) {
    const std::string name = "process " + std::to_string(pid);
    if (errno == EEXIST) {
      return fail(Fault::conflict, name, "stand in for it", "its pid is in use");
    }
    return fail(sys_error(errno, name, "stand in for it"));
  }
  return static_cast<pid_t>(made);
}

Result<void> end_stand_in(pid_t pid) {
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, __WALL) < 0) {
    if (errno != EINTR) {
      return fail(sys_error(errno, "process " + std::to_string(pid), "wait for its end"));
    }
  }
  return {};
}

}  // namespace img::restore
