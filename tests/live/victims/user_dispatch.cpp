// SPDX-License-Identifier: MIT
// Has its system calls dispatched (prctl), but lets them all pass. Lane 0 says whether the kernel
// can do that, lane 1 where the selector is.
#include <sys/prctl.h>

#include "tests/live/victims/victim.h"

namespace {
constexpr int kSetUserDispatch = 59;  // PR_SET_SYSCALL_USER_DISPATCH
volatile unsigned char selector = 0;
}  // namespace

int main() {
  auto& lanes = victim::page().lanes;
  lanes[0].store(prctl(kSetUserDispatch, 1, 0, 0, &selector) == 0 ? 1 : 0);
  lanes[1].store(reinterpret_cast<std::uintptr_t>(&selector));
  victim::ready();
  while (victim::goes_on()) {
    victim::round_done();
    usleep(1000);
  }
  return 0;
}
