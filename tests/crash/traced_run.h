// SPDX-License-Identifier: MIT
// Runs a program and stops it at every system call that writes: to count them, to kill it right
// before one, or to make one fail. The kernel says which calls those are (a seccomp filter), so no
// library can write past it.
#pragma once

#include <string>
#include <vector>

namespace img::crash {

struct Blow {
  enum class Kind {
    none,
    kill,       // SIGKILL before call number `at`
    fail_once,  // that call fails with `error`
    fail_from,  // it and all that need room after it do
  };
  Kind kind = Kind::none;
  unsigned at = 0;  // from 1
  int error = 0;
};

struct TracedRun {
  bool was_killed = false;
  int exit = -1;        // its status, if it was not killed by a signal
  int signal = 0;       // that ended it
  unsigned writes = 0;  // how many calls it came to
  std::string last;     // the call that was hit: "pwrite64"
};

/// `argv[0]` is a path. Standard output and error go nowhere.
[[nodiscard]] TracedRun run_traced(const std::vector<std::string>& argv, const Blow& blow);

/// Whether this process may trace, which containers can forbid.
[[nodiscard]] bool can_trace();

}  // namespace img::crash
