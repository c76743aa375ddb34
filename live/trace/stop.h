// SPDX-License-Identifier: MIT
// What waitpid says about a traced task, told apart. Pure: an int goes in.
#pragma once

#include <string>

namespace img::trace {

enum class StopKind {
  exited,           // `code` is the exit status
  killed,           // `code` is the signal
  signal_delivery,  // `code` is the signal that is about to be delivered
  group_stop,       // stopped as by SIGSTOP; `code` is the stopping signal
  interrupted,  // PTRACE_INTERRUPT, or the first stop of a task that its parent's seizing seized
  event,        // `code` is PTRACE_EVENT_...
  system_call,  // entry or exit, with PTRACE_O_TRACESYSGOOD
  other,
};

struct Stop {
  StopKind kind = StopKind::other;
  int code = 0;

  [[nodiscard]] bool is_end() const { return kind == StopKind::exited || kind == StopKind::killed; }
  friend bool operator==(const Stop&, const Stop&) = default;
};

[[nodiscard]] Stop classify(int wait_status);

/// "exited with status 3", "about to get signal 11".
[[nodiscard]] std::string describe(const Stop& stop);

}  // namespace img::trace
