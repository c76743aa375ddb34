// SPDX-License-Identifier: MIT
// Three threads sleep for three seconds, each with a place for the rest of its time: its own, the
// request itself, and one of clock_nanosleep. Lanes 0 to 2: how long it took, in microseconds.
#include <time.h>

#include <thread>

#include "tests/live/victims/victim.h"

namespace {

std::uint64_t now_us() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(time.tv_nsec) / 1000;
}

template <class Sleep>
void measure(int lane, Sleep sleep) {
  const std::uint64_t begin = now_us();
  VICTIM_CHECK(sleep() == 0);
  victim::page().lanes[lane].store(now_us() - begin);
}

}  // namespace

int main() {
  victim::page();
  const timespec time{3, 0};
  timespec rests[3] = {{}, {3, 0}, {}};
  std::thread own([&] { measure(0, [&] { return nanosleep(&time, &rests[0]); }); });
  std::thread same([&] { measure(1, [&] { return nanosleep(&rests[1], &rests[1]); }); });
  std::thread clock(
      [&] { measure(2, [&] { return clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &rests[2]); }); });
  victim::ready();
  while (victim::goes_on()) {
    victim::round_done();
    usleep(1000);
  }
  own.join();
  same.join();
  clock.join();
  return 0;
}
