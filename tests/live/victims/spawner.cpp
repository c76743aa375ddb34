// SPDX-License-Identifier: MIT
// Starts /bin/true by posix_spawn, which waits in the kernel (vfork) until the child has called
// exec, over and over, and looks at how each one ended.
#include <spawn.h>
#include <sys/wait.h>

#include "tests/live/victims/victim.h"

int main() {
  victim::page();
  victim::ready();
  char name[] = "/bin/true";
  char* const argv[] = {name, nullptr};
  char* const environment[] = {nullptr};
  while (victim::goes_on()) {
    pid_t child = 0;
    VICTIM_CHECK(posix_spawn(&child, name, nullptr, nullptr, argv, environment) == 0);
    int status = -1;
    VICTIM_CHECK(waitpid(child, &status, 0) == child && status == 0);
    victim::round_done();
  }
  return 0;
}
