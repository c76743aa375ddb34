// SPDX-License-Identifier: MIT
// A victim dumped, gone and restored by the tools themselves, in a namespace of process ids of its
// own: its numbers are free again, and whoever is killed takes everybody with it.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <vector>

#include "tests/live/victim_process.h"

namespace img::live_test {

/// Runs `body` as the first process of a new namespace of process ids, with its own /proc. What it
/// returns is the result; how it ended, if it did before. Not for EXPECT_...: it is another
/// process.
[[nodiscard]] std::string in_own_namespace(const std::function<std::string()>& body);

/// Only within in_own_namespace.
class Cycle {
 public:
  explicit Cycle(const std::string& victim, const std::vector<std::string>& args = {});
  ~Cycle();

  [[nodiscard]] VictimProcess& victim() { return victim_; }
  /// Dumped, gone, restored; empty if it then goes on and finds itself as it was.
  [[nodiscard]] std::string turn();
  /// The steps of a turn. Options come behind those that are always given.
  [[nodiscard]] std::string dump(const std::string& options = "");
  [[nodiscard]] std::string restore(const std::string& options = "--detach");
  [[nodiscard]] std::string goes_on();
  /// What the last tool said.
  [[nodiscard]] const std::string& said() const { return said_; }

 private:
  [[nodiscard]] int run(const std::string& command);

  std::string folder_;
  int dumps_ = 0;
  VictimProcess victim_;
  std::string said_;
};

/// Empty if a dump of `victim`, done or refused, says each of `parts`; else what it said.
[[nodiscard]] std::string told_by_dump(const char* victim,
                                       std::initializer_list<const char*> parts);

}  // namespace img::live_test
