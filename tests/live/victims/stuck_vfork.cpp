// SPDX-License-Identifier: MIT
// A vfork parent whose child neither ends nor calls exec until it is told to: it cannot be stopped.
#include <sys/wait.h>

#include "tests/live/victims/victim.h"

int main() {
  victim::page();
  const pid_t child = vfork();
  if (child == 0) {
    victim::ready();
    for (unsigned turn = 0; victim::page().counter.load() == 0 && turn < 60'000; ++turn) {
      usleep(1000);
    }
    _exit(7);
  }
  int status = 0;
  VICTIM_CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
  while (victim::goes_on()) {
    victim::round_done();
    usleep(1000);
  }
  return 0;
}
