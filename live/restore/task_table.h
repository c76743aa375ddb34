// SPDX-License-Identifier: MIT
// The tasks that a restore has made so far, all stopped, all ours: while this lives unfinished they
// die with it, and when it is destroyed before the end it kills them itself and waits until they
// are gone.
#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <vector>

#include "libimg/base/result.h"
#include "live/trace/remote_memory.h"
#include "live/trace/tracee.h"

namespace img::restore {

struct MadeTask {
  std::uint32_t id = 0;  // in the plan
  pid_t tid = 0;         // as we number tasks
  pid_t pid = 0;
  trace::Tracee tracee;
  std::shared_ptr<trace::RemoteMemory> memory;
  bool has_bench = true;      // cleared when its process has nothing of ours any more
  bool is_past_call = false;  // the call of a plan::BeginCall is over already
};

class TaskTable {
 public:
  TaskTable() = default;
  TaskTable(const TaskTable&) = delete;
  TaskTable& operator=(const TaskTable&) = delete;
  ~TaskTable() { kill_all(); }

  MadeTask& add(MadeTask task);
  [[nodiscard]] Result<MadeTask*> find(std::uint32_t id);
  /// All threads of a process, the leader first.
  [[nodiscard]] std::vector<MadeTask*> threads(pid_t pid);
  /// It has ended or goes on by itself.
  void forget(std::uint32_t id) { tasks_.erase(id); }
  [[nodiscard]] std::vector<pid_t> processes() const;
  void kill_all();

 private:
  std::map<std::uint32_t, MadeTask> tasks_;
};

}  // namespace img::restore
