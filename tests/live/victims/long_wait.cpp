// SPDX-License-Identifier: MIT
// Waits for an hour in poll.
#include <poll.h>
#include <pthread.h>

#include "tests/live/victims/victim.h"

namespace {
void* wait_long(void*) {
  for (;;) {
    poll(nullptr, 0, 3'600'000);
  }
}
}  // namespace

int main() {
  victim::page();
  pthread_t waiter{};
  VICTIM_CHECK(pthread_create(&waiter, nullptr, wait_long, nullptr) == 0);
  victim::ready();
  while (victim::goes_on()) {
    victim::round_done();
    usleep(1000);
  }
  return 0;
}
