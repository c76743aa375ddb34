// SPDX-License-Identifier: MIT
// Processes that fork without end: each makes two more and then ends or works on, and there are at
// most kMost of them at a time. Every one is reaped by its parent or, when that has ended, by the
// first process, which is a subreaper; so all of them stay in one tree.
#include <sys/prctl.h>
#include <sys/wait.h>

#include <fstream>

#include "tests/live/victims/victim.h"

namespace {

constexpr std::uint64_t kMost = 300;

// The count is taken before the fork, so it is never too low.
bool may_fork() {
  auto& counter = victim::page().counter;
  for (std::uint64_t now = counter.load(); now < kMost;) {
    if (counter.compare_exchange_weak(now, now + 1)) {
      return true;
    }
  }
  return false;
}

// None of them may have ended but by itself.
void reap() {
  int status = 0;
  while (waitpid(-1, &status, WNOHANG) > 0) {
    VICTIM_CHECK(status == 0);
    victim::page().counter.fetch_sub(1);
  }
}

[[noreturn]] void child(unsigned generation);

void fork_one(unsigned generation) {
  if (!may_fork()) {
    return;
  }
  const pid_t pid = fork();
  if (pid == 0) {
    child(generation + 1);
  }
  if (pid < 0) {
    victim::page().counter.fetch_sub(1);
  }
}

void child(unsigned generation) {
  alarm(victim::kLongestLife);
  fork_one(generation);
  fork_one(generation);
  if (generation % 3 == 0) {
    _exit(0);  // its children go to the first process
  }
  while (victim::goes_on()) {
    victim::round_done();
    reap();
    fork_one(generation);
    usleep(500);
  }
  reap();
  _exit(0);
}

}  // namespace

// Goes into the cgroup whose list of processes is named, if one is, before it begins.
int main(int argc, char** argv) {
  victim::page();
  if (argc > 1) {
    std::ofstream(argv[1]) << getpid();
  }
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int i = 0; i < 4; ++i) {
    fork_one(0);
  }
  while (victim::goes_on()) {
    reap();
    fork_one(0);
    if (victim::page().counter.load() >= kMost - 10) {
      victim::ready();
    }
    usleep(200);
  }
  // The count stays: those that are born now have no room for more.
  int status = 0;
  while (waitpid(-1, &status, 0) > 0) {
    VICTIM_CHECK(status == 0);
  }
  return victim::page().fault.load() == 0 ? 0 : 1;
}
