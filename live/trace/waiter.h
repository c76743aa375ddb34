// SPDX-License-Identifier: MIT
// Waiting for one traced task, with a deadline. All waits of this room go through here; what asks
// the kernel is behind WaitSource, so the waiting itself is tested without a process.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>

#include "libimg/base/result.h"
#include "live/trace/stop.h"

namespace img::trace {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;

class WaitSource {
 public:
  virtual ~WaitSource() = default;
  /// As waitpid(tid, status, WNOHANG) of a traced task: 0 while there is nothing; -errno.
  [[nodiscard]] virtual pid_t poll(pid_t tid, int& status) = 0;
  [[nodiscard]] virtual Clock::time_point now() = 0;
  /// Lets others run; 0 is "as briefly as possible".
  virtual void pause(std::chrono::microseconds time) = 0;

  /// The kernel.
  [[nodiscard]] static WaitSource& system();
};

/// How long to pause between polls that found nothing: a stub of a few calls ends within a time
/// that is shorter than a sleep, a task in a long call is not worth spinning for.
class Patience {
 public:
  explicit Patience(WaitSource& source) : source_(source) {}
  void wait();

 private:
  WaitSource& source_;
  int polls_ = 0;
  std::chrono::microseconds pause_{50};
};

class Waiter {
 public:
  explicit Waiter(WaitSource& source = WaitSource::system()) : source_(&source) {}

  /// Nothing if the task has not stopped or ended. Fault::gone if it is not ours to wait for.
  [[nodiscard]] Result<std::optional<Stop>> poll(pid_t tid);
  /// Fault::limit when the deadline has passed.
  [[nodiscard]] Result<Stop> wait(pid_t tid, Deadline deadline);

  [[nodiscard]] WaitSource& source() { return *source_; }

 private:
  WaitSource* source_;
};

}  // namespace img::trace
