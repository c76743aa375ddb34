// SPDX-License-Identifier: MIT
// Stopping all threads of one process, whatever they are doing: being born, ending, calling exec.
#pragma once

#include <map>
#include <set>
#include <string>

#include "live/trace/freeze.h"

namespace img::trace {

/// "process 12 (name)"
[[nodiscard]] std::string name_of(const procfs::Stat& stat);

class ThreadFreezer {
 public:
  explicit ThreadFreezer(const FreezeOptions& options)
      : options_(options), deadline_(Clock::now() + options.timeout) {}

  /// Until the process's list of threads holds none that is not stopped. True if there was one.
  [[nodiscard]] Result<bool> freeze(FrozenProcess& process);
  /// Asks a process to stop that freeze() will come to later. Not while its parent runs: a vfork
  /// child that is held holds its parent.
  void seize_early(pid_t pid);
  /// Lets go what was held early or from birth and was found in no list: it has left the tree.
  void release_early() { early_.clear(); }

 private:
  [[nodiscard]] Result<bool> seize_new(FrozenProcess& process);
  [[nodiscard]] Result<bool> seize_one(FrozenProcess& process, pid_t tid);
  [[nodiscard]] Result<void> settle_all(FrozenProcess& process);
  [[nodiscard]] Result<bool> look_at_all(FrozenProcess& process, bool sweep);
  [[nodiscard]] static bool is_complete(const FrozenProcess& process);
  [[nodiscard]] Result<void> look(Tracee& one);
  [[nodiscard]] Error late(const FrozenProcess& process) const;

  const FreezeOptions& options_;
  const Deadline deadline_;
  std::set<pid_t> stopped_;
  std::map<pid_t, Tracee> early_;  // seized, by the kernel or by us, before freeze() came to it
  std::size_t tasks_ = 0;
};

}  // namespace img::trace
