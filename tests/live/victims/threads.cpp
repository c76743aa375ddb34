// SPDX-License-Identifier: MIT
// 64 threads on one mutex and one condition, in lanes: each counts its own turns. A round is done
// when all have had another one.
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/live/victims/victim.h"

int main() {
  constexpr std::size_t kThreads = 64;
  victim::page();
  std::mutex mutex;
  std::condition_variable turn;
  std::uint64_t round = 0;
  std::size_t arrived = 0;
  const auto work = [&](std::size_t lane) {
    for (;;) {
      std::unique_lock lock(mutex);
      victim::page().lanes[lane].fetch_add(1);
      const std::uint64_t mine = round;
      if (++arrived == kThreads) {
        arrived = 0;
        ++round;
        victim::round_done();
        turn.notify_all();
      } else {
        turn.wait(lock, [&] { return round != mine; });
      }
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t lane = 1; lane < kThreads; ++lane) {
    threads.emplace_back(work, lane);
  }
  victim::ready();
  work(0);
}
