// SPDX-License-Identifier: MIT
// What every victim shares with its test: a page of memory on descriptor 3. A victim sets itself
// up, says it is ready, works and checks itself in rounds, and ends when told to, or by itself
// after 60 seconds.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace victim {

inline constexpr int kPageFd = 3;
inline constexpr unsigned kLongestLife = 60;

struct Page {
  std::atomic<int> ready;
  std::atomic<int> stop;
  std::atomic<int> fault;  // line of the first check that failed
  std::atomic<std::uint64_t> rounds;
  std::atomic<std::uint64_t> counter;     // of live processes or threads, in storms
  std::atomic<std::uint64_t> lanes[256];  // rounds of each thread or process
};
static_assert(sizeof(Page) <= 4096);

inline Page& page() {
  static Page* const mapped = [] {
    void* at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, kPageFd, 0);
    if (at == MAP_FAILED) {
      _exit(99);
    }
    alarm(kLongestLife);
    return static_cast<Page*>(at);
  }();
  return *mapped;
}

inline void check(bool holds, int line) {
  int none = 0;
  if (!holds) {
    page().fault.compare_exchange_strong(none, line);
  }
}
#define VICTIM_CHECK(condition) ::victim::check((condition), __LINE__)

inline void ready() {
  page().ready.store(1);
}
inline bool goes_on() {
  return page().stop.load(std::memory_order_relaxed) == 0;
}
inline void round_done() {
  page().rounds.fetch_add(1);
}

}  // namespace victim
