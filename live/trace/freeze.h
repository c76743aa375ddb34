// SPDX-License-Identifier: MIT
// Stopping a whole tree of processes, so that nothing in it runs, and letting it go on exactly as
// it was. Knows nothing of what a dump wants to know.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "live/procfs/proc_dir.h"
#include "live/trace/tracee.h"

namespace img::trace {

enum class TaskState {
  alive,
  stopped,  // by a stopping signal, delivered or about to be: it must be stopped again
  zombie,   // has ended, and its parent does not know yet
};

struct FrozenProcess {
  procfs::ProcDir dir;
  procfs::Stat stat;  // since it was frozen
  TaskState state = TaskState::alive;
  int stop_signal = 0;          // of a stopped one
  std::vector<Tracee> threads;  // the main one first; of a zombie none

  [[nodiscard]] pid_t pid() const { return stat.pid; }
};

struct FreezeOptions {
  std::chrono::milliseconds timeout{10'000};
  std::size_t max_tasks = 65'536;
  /// Injected calls pass seccomp filters. Needs CAP_SYS_ADMIN.
  bool suspend_seccomp = false;
  /// A cgroup (folder of a v1 freezer group, or of a v2 group) that is frozen while its tasks are
  /// seized, and thawed before this returns: catches what forks and ends too fast to be followed.
  std::string cgroup;
};

/// Everything in it goes on when this is destroyed. Bound to the thread that froze.
struct FrozenTree {
  std::vector<FrozenProcess> processes;  // depth first, the root in front
  std::size_t passes = 0;                // how often the tree was read until nothing was new

  [[nodiscard]] std::size_t tasks() const;
};

/// Depth first: a process's threads stop before its children are looked at, so a stopped tree has
/// no unseen branch; what is stopped is never let go in between, so a fork bomb comes to its end.
/// Anything that a task starts after it was seized is held from birth. Read again until nothing is
/// new. On failure everything runs on.
[[nodiscard]] Result<FrozenTree> freeze_tree(pid_t root, const FreezeOptions& options = {});

}  // namespace img::trace
