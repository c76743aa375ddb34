// SPDX-License-Identifier: MIT
// Threads that start another one and end: 24 chains in which no thread lives for long. The count of
// rounds goes up as long as none of the chains breaks.
#include <pthread.h>

#include "tests/live/victims/victim.h"

namespace {

constexpr std::uint64_t kChains = 24;

void* link(void* chain) {
  const auto number = reinterpret_cast<std::uintptr_t>(chain);
  victim::page().lanes[number].fetch_add(1);
  victim::round_done();
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 64 << 10);
  pthread_t next;
  while (victim::goes_on() && pthread_create(&next, &attributes, link, chain) != 0) {
    usleep(1000);  // no memory for a stack until an older thread has gone
  }
  return nullptr;
}

}  // namespace

int main() {
  victim::page();
  for (std::uint64_t chain = 0; chain < kChains; ++chain) {
    pthread_t first;
    VICTIM_CHECK(pthread_create(&first, nullptr, link, reinterpret_cast<void*>(chain)) == 0);
    pthread_detach(first);
  }
  victim::ready();
  while (victim::goes_on()) {
    usleep(1000);
  }
  usleep(100'000);
  return 0;
}
