// SPDX-License-Identifier: MIT
// Is bound to one CPU, with a timer slack, an I/O priority and a core filter of its own.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/live/victims/victim.h"

int main() {
  victim::page();
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(0, &cpus);
  VICTIM_CHECK(sched_setaffinity(0, sizeof cpus, &cpus) == 0);
  VICTIM_CHECK(prctl(PR_SET_TIMERSLACK, 123'456) == 0);
  VICTIM_CHECK(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6) == 0);
  const int filter = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
  VICTIM_CHECK(write(filter, "0x7", 3) == 3);
  close(filter);
  victim::ready();
  while (victim::goes_on()) {
    victim::round_done();
    usleep(1000);
  }
  return 0;
}
