// SPDX-License-Identifier: MIT
// Works on a stack that ends just below its red zone, as a goroutine or a signal handler on a small
// alternate stack may: what lies below is somebody else's memory, here a pattern that must stay.
#include <cstring>

#include "tests/live/victims/victim.h"

namespace {
constexpr std::size_t kBelow = 8192;
constexpr std::size_t kRedZone = 128;
alignas(64) unsigned char memory[kBelow + kRedZone + 64];
}  // namespace

int main() {
  victim::page();
  std::memset(memory, 0xa5, sizeof memory);
  unsigned char* const top = memory + kBelow + kRedZone;
  victim::ready();
  while (victim::goes_on()) {
    asm volatile(R"(
      mov %%rsp, %%rbx
      mov %[top], %%rsp
      mov $200000, %%ecx
    1:
      dec %%ecx
      jnz 1b
      mov %%rbx, %%rsp
    )"
                 :
                 : [top] "r"(top)
                 : "rbx", "rcx", "cc", "memory");
    for (std::size_t at = 0; at < sizeof memory; ++at) {
      VICTIM_CHECK(memory[at] == 0xa5);
    }
    victim::round_done();
  }
  return 0;
}
