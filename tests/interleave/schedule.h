// SPDX-License-Identifier: MIT
// Several actors in one thread, of which a seeded die lets one go on for one step at a time. A step
// ends before each system call by which one actor can notice another: locks, files opened, written,
// synced, removed, sleeps. So a seed is an interleaving, and comes again.
#pragma once

#include <ucontext.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <vector>

namespace img::interleave {

class Schedule {
 public:
  explicit Schedule(std::uint64_t seed) : random_(seed) {}
  Schedule(const Schedule&) = delete;
  Schedule& operator=(const Schedule&) = delete;

  void add(std::function<void()> actor);
  /// Until all have ended.
  void run();

  [[nodiscard]] std::uint64_t below(std::uint64_t end) { return random_() % end; }
  [[nodiscard]] std::uint64_t steps() const { return steps_; }

  /// The running actor's step ends here; nothing where none runs. True: an actor ran.
  static bool step();

 private:
  struct Actor {
    std::function<void()> work;
    std::unique_ptr<char[]> stack;
    ucontext_t context{};
    bool has_ended = false;
  };
  static void enter();

  std::mt19937_64 random_;
  std::vector<std::unique_ptr<Actor>> actors_;
  Actor* running_ = nullptr;
  ucontext_t here_{};
  std::uint64_t steps_ = 0;
};

}  // namespace img::interleave
