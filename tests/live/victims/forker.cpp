// SPDX-License-Identifier: MIT
// Makes one child after the other, and waits for the end of each. It has so much memory that it is
// nearly always in the middle of a fork.
#include <sys/wait.h>

#include <cstring>

#include "tests/live/victims/victim.h"

int main() {
  victim::page();
  constexpr std::size_t kBytes = 128 << 20;
  void* at = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  VICTIM_CHECK(at != MAP_FAILED && madvise(at, kBytes, MADV_NOHUGEPAGE) == 0);
  std::memset(at, 1, kBytes);
  victim::ready();
  while (victim::goes_on()) {
    const pid_t child = fork();
    if (child == 0) {
      _exit(7);
    }
    int status = -1;
    VICTIM_CHECK(waitpid(child, &status, 0) == child && status == 7 << 8);
    victim::round_done();
  }
  return 0;
}
