// SPDX-License-Identifier: MIT
// Calls that a task is to make in one go. Knows nothing of what they ask.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "live/trace/remote_call.h"

namespace img::dump {

/// Calls that are made together. Each is known by its place.
class Batch {
 public:
  std::size_t add(std::uint64_t number, std::array<std::uint64_t, 6> args) {
    records_.push_back({number, args, 0});
    return records_.size() - 1;
  }
  [[nodiscard]] Result<void> run(trace::RemoteCall& remote) { return remote.run(records_); }
  [[nodiscard]] std::int64_t result(std::size_t place) const { return records_[place].result; }
  /// The first call from `from` to `end` that must not fail and has.
  [[nodiscard]] Result<void> check(pid_t tid, std::size_t from, std::size_t end,
                                   const char* what) const {
    for (std::size_t i = from; i < end; ++i) {
      if (records_[i].result < 0) {
        return fail(
            sys_error(static_cast<int>(-records_[i].result), "task " + std::to_string(tid), what));
      }
    }
    return {};
  }
  [[nodiscard]] std::size_t size() const { return records_.size(); }

 private:
  std::vector<arch::CallRecord> records_;
};

}  // namespace img::dump
