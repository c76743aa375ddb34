// SPDX-License-Identifier: MIT
// A victim as its test sees it: started by name, watched through the page they share, and always
// killed and reaped in the end, by pid.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/live/victims/victim.h"

namespace img::live_test {

class VictimProcess {
 public:
  /// Starts victim `name` and waits until it is ready. With `page_file`, which is made, it has a
  /// session of its own and can be restored: its page is the same file then.
  explicit VictimProcess(const std::string& name, const std::vector<std::string>& args = {},
                         const std::string& page_file = {});
  VictimProcess(const VictimProcess&) = delete;
  VictimProcess& operator=(const VictimProcess&) = delete;
  ~VictimProcess();

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] victim::Page& page() { return *page_; }
  /// It goes on: at least `rounds` more within five seconds.
  [[nodiscard]] bool makes_rounds(std::uint64_t rounds = 3);
  /// Empty if no check of its own has failed and it lives.
  [[nodiscard]] std::string complaint();

 private:
  pid_t pid_ = -1;
  victim::Page* page_ = nullptr;
};

/// Calls `done` until it is true; false after `limit`.
template <class Done>
[[nodiscard]] bool eventually(Done done,
                              std::chrono::milliseconds limit = std::chrono::seconds(5)) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) {
      return false;
    }
    usleep(200);
  }
  return true;
}

/// Why this process may not trace; empty if it may.
[[nodiscard]] std::string why_not_trace();

}  // namespace img::live_test
