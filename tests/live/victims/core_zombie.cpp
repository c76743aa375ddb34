// SPDX-License-Identifier: MIT
// Has a child that has aborted, with a core dump in the folder that is argument 1 where this
// machine writes any. Lane 0: its pid; lane 1: whether there was one.
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/live/victims/victim.h"

int main(int, char** argv) {
  auto& lanes = victim::page().lanes;
  VICTIM_CHECK(chdir(argv[1]) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const rlimit large{64 << 20, 64 << 20};
    setrlimit(RLIMIT_CORE, &large);
    raise(SIGABRT);
  }
  lanes[0] = static_cast<std::uint64_t>(child);
  siginfo_t end{};
  VICTIM_CHECK(waitid(P_PID, static_cast<id_t>(child), &end, WEXITED | WNOWAIT) == 0);
  lanes[1] = end.si_code == CLD_DUMPED ? 1 : 0;
  VICTIM_CHECK(chdir("/") == 0);
  victim::ready();
  while (victim::goes_on()) {
    siginfo_t now{};
    VICTIM_CHECK(waitid(P_PID, static_cast<id_t>(child), &now, WEXITED | WNOWAIT) == 0);
    VICTIM_CHECK(now.si_status == SIGABRT && now.si_pid == child);
    victim::round_done();
    usleep(1000);
  }
  return 0;
}
