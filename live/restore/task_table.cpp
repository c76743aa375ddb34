// SPDX-License-Identifier: MIT
#include "live/restore/task_table.h"

#include <signal.h>

namespace img::restore {
namespace {
constexpr std::chrono::seconds kDeath{5};
}

MadeTask& TaskTable::add(MadeTask task) {
  const std::uint32_t id = task.id;
  return tasks_.insert_or_assign(id, std::move(task)).first->second;
}

Result<MadeTask*> TaskTable::find(std::uint32_t id) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) {
    return fail(Fault::missing, "plan", "task " + std::to_string(id), "it has not been made");
  }
  return &found->second;
}

std::vector<MadeTask*> TaskTable::threads(pid_t pid) {
  std::vector<MadeTask*> out;
  for (auto& [id, task] : tasks_) {
    if (task.pid == pid) {
      out.insert(task.tid == pid ? out.begin() : out.end(), &task);
    }
  }
  return out;
}

std::vector<pid_t> TaskTable::processes() const {
  std::vector<pid_t> out;
  for (const auto& [id, task] : tasks_) {
    if (task.tid == task.pid) {
      out.push_back(task.pid);
    }
  }
  return out;
}

void TaskTable::kill_all() {
  for (const pid_t pid : processes()) {
    ::kill(pid, SIGKILL);
  }
  // Threads before leaders, which end only when their threads have.
  const trace::Deadline deadline = trace::Clock::now() + kDeath;
  for (const bool leaders : {false, true}) {
    for (auto& [id, task] : tasks_) {
      while ((task.tid == task.pid) == leaders && !task.tracee.is_gone()) {
        if (const auto stop = task.tracee.wait(deadline); !stop || stop->is_end()) {
          break;
        }
      }
    }
  }
  tasks_.clear();
}

}  // namespace img::restore
