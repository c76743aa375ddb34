// SPDX-License-Identifier: MIT
// Is asleep nearly always: nanosleep without a rest to sleep again for, and poll. None may end
// early or say EINTR, and vector registers must outlive them.
#include <poll.h>
#include <signal.h>
#include <time.h>

#include <cerrno>

#include "tests/live/victims/victim.h"

namespace {

std::int64_t now_us() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1'000'000 + time.tv_nsec / 1000;
}

// nanosleep with values in the vector registers; its result, or -1000 if they were lost.
long sleep_with_vectors(const timespec* time) {
  long result = 0;
  std::uint32_t lost = 0;
  asm volatile(R"(
    vpcmpeqd %%ymm15, %%ymm15, %%ymm15
    mov $35, %%eax
    xor %%esi, %%esi
    syscall
    vpcmpeqd %%ymm14, %%ymm14, %%ymm14
    vpxor %%ymm14, %%ymm15, %%ymm15
    xor %%edx, %%edx
    vptest %%ymm15, %%ymm15
    setnz %%dl
    vzeroupper
  )"
               : "=a"(result), "=d"(lost)
               : "D"(time)
               : "rcx", "r11", "rsi", "memory", "cc", "xmm14", "xmm15");
  return lost == 0 ? result : -1000;
}

}  // namespace

int main() {
  victim::page();
  victim::ready();
  while (victim::goes_on()) {
    const timespec time{0, 20'000'000};
    std::int64_t begin = now_us();
    VICTIM_CHECK(sleep_with_vectors(&time) == 0);
    VICTIM_CHECK(now_us() - begin >= 20'000);
    begin = now_us();
    VICTIM_CHECK(poll(nullptr, 0, 20) == 0);
    VICTIM_CHECK(now_us() - begin >= 19'000);
    victim::round_done();
  }
  return 0;
}
