// SPDX-License-Identifier: MIT
// A process with one child that runs and has one of its own, one that is stopped, one that has
// exited with 5, one that SIGKILL has ended, and a thread with a child of its own.
#include <signal.h>
#include <sys/wait.h>

#include <thread>

#include "tests/live/victims/victim.h"

namespace {

[[noreturn]] void live() {
  alarm(victim::kLongestLife);
  while (victim::goes_on()) {
    victim::round_done();
    usleep(1000);
  }
  _exit(0);
}

template <class Body>
pid_t start(Body body) {
  const pid_t pid = fork();
  if (pid == 0) {
    body();
    _exit(0);
  }
  return pid;
}

}  // namespace

int main() {
  auto& lanes = victim::page().lanes;
  lanes[0] = start([&] {
    lanes[4] = start(live);
    live();
  });
  lanes[1] = start([] {
    raise(SIGSTOP);
    live();
  });
  lanes[2] = start([] { _exit(5); });
  lanes[3] = start([] { raise(SIGKILL); });
  std::thread([&] {
    lanes[5] = start(live);
    live();
  }).detach();
  const auto wait_for = [](std::uint64_t pid, int how) {
    siginfo_t end{};
    VICTIM_CHECK(waitid(P_PID, static_cast<id_t>(pid), &end, how | WNOWAIT) == 0);
  };
  wait_for(lanes[1], WSTOPPED);
  wait_for(lanes[2], WEXITED);
  wait_for(lanes[3], WEXITED);
  while (lanes[4] == 0 || lanes[5] == 0) {
    usleep(100);
  }
  victim::ready();
  live();
}
