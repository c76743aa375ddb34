// SPDX-License-Identifier: MIT
// Holds an io_uring, where the kernel has one to give.
#include <sys/syscall.h>

#include "tests/live/victims/victim.h"

int main() {
  alignas(8) unsigned char parameters[120] = {};
  const long fd = syscall(425, 8, parameters);  // io_uring_setup
  victim::page().counter.store(fd >= 0 ? 1 : 0);
  victim::ready();
  while (victim::goes_on()) {
    victim::round_done();
    usleep(1000);
  }
  return 0;
}
