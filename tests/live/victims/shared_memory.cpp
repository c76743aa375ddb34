// SPDX-License-Identifier: MIT
// Two processes with one address space (CLONE_VM without CLONE_THREAD).
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

#include "tests/live/victims/victim.h"

namespace {
alignas(16) char stack[64 << 10];

int other(void*) {
  while (victim::goes_on()) {
    usleep(1000);
  }
  return 0;
}
}  // namespace

int main() {
  victim::page();
  VICTIM_CHECK(clone(other, stack + sizeof stack, CLONE_VM | SIGCHLD, nullptr) > 0);
  victim::ready();
  while (victim::goes_on()) {
    victim::round_done();
    usleep(1000);
  }
  return 0;
}
