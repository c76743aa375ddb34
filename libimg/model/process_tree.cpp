// SPDX-License-Identifier: MIT
#include "libimg/model/process_tree.h"

#include <algorithm>
#include <cstring>

namespace img::model {
namespace {

// compel's task states, as images hold them.
constexpr std::uint32_t kAlive = 1;
constexpr std::uint32_t kDead = 2;
constexpr std::uint32_t kStopped = 3;

TaskState state_of(std::uint32_t task_state) {
  switch (task_state) {
    case kAlive: return TaskState::alive;
    case kDead: return TaskState::zombie;
    case kStopped: return TaskState::stopped;
    default: return TaskState::unknown;
  }
}

void set_comm(Process& process, const flatbuffers::String* comm) {
  if (comm == nullptr) {
    return;
  }
  process.comm_size =
      static_cast<std::uint8_t>(std::min<std::size_t>(comm->size(), sizeof process.comm_bytes));
  std::memcpy(process.comm_bytes, comm->data(), process.comm_size);
}

class TreeSink : public RecordSink {
 public:
  explicit TreeSink(ProcessTree& tree) : tree_(tree) {}

  Result<void> record(const Record& record) override {
    const FileKey file = record.key.file;
    if (record.key.seq == 0) {
      return {};
    }
    switch (file.kind) {
      case Kind::pstree: tree_.add(*record.as<schema::PstreeEntry>()); break;
      case Kind::core: tree_.add_core(file.id, *record.as<schema::CoreEntry>()); break;
      case Kind::zombie: tree_.add_zombie(file.id, *record.as<schema::Zombie>()); break;
      case Kind::ids: tree_.add_ids(file.id, *record.as<schema::TaskKobjIdsEntry>()); break;
      default: break;
    }
    return {};
  }

 private:
  ProcessTree& tree_;
};

}  // namespace

TaskIds TaskIds::of(const schema::TaskKobjIdsEntry& entry) {
  TaskIds ids;
  ids.vm = entry.vm_id();
  ids.files = entry.files_id();
  ids.fs = entry.fs_id();
  ids.sighand = entry.sighand_id();
  ids.pid_ns = entry.pid_ns_id().value_or(0);
  ids.net_ns = entry.net_ns_id().value_or(0);
  ids.ipc_ns = entry.ipc_ns_id().value_or(0);
  ids.uts_ns = entry.uts_ns_id().value_or(0);
  ids.mnt_ns = entry.mnt_ns_id().value_or(0);
  ids.user_ns = entry.user_ns_id().value_or(0);
  ids.cgroup_ns = entry.cgroup_ns_id().value_or(0);
  ids.time_ns = entry.time_ns_id().value_or(0);
  return ids;
}

Result<ProcessTree> ProcessTree::read(ImageReader& reader) {
  ProcessTree tree;
  TreeSink sink(tree);
  IMG_TRY(reader.read({Kind::pstree, 0}, sink));
  IMG_ASSIGN(const auto files, reader.files());
  for (const FileKey file : files) {
    const bool is_wanted =
        file.kind == Kind::core || file.kind == Kind::zombie || file.kind == Kind::ids;
    if (is_wanted && tree.find_mutable(file.id) != nullptr) {
      IMG_TRY(reader.read(file, sink));
    }
  }
  return tree;
}

const Process* ProcessTree::find(std::uint32_t pid) const {
  const auto found = by_pid_.find(pid);
  return found == by_pid_.end() ? nullptr : &processes_[found->second];
}

Process* ProcessTree::find_mutable(std::uint64_t pid) {
  const auto found =
      pid > UINT32_MAX ? by_pid_.end() : by_pid_.find(static_cast<std::uint32_t>(pid));
  return found == by_pid_.end() ? nullptr : &processes_[found->second];
}

std::span<const std::uint32_t> ProcessTree::threads(const Process& process) const {
  return std::span(threads_).subspan(process.threads_begin_,
                                     process.threads_end_ - process.threads_begin_);
}

const Process* ProcessTree::parent(const Process& process) const {
  return process.parent == Process::kNone ? nullptr : &processes_[process.parent];
}

void ProcessTree::walk(const std::function<void(const Process&, std::size_t)>& visit) const {
  for (const Process& root : processes_) {
    if (root.parent != Process::kNone) {
      continue;
    }
    const Process* at = &root;
    std::size_t depth = 0;
    while (at != nullptr) {
      visit(*at, depth);
      if (at->first_child != Process::kNone) {
        at = &processes_[at->first_child];
        ++depth;
        continue;
      }
      while (at != &root && at->next_sibling == Process::kNone) {
        at = &processes_[at->parent];
        --depth;
      }
      at = at == &root ? nullptr : &processes_[at->next_sibling];
    }
  }
}

void ProcessTree::add(const schema::PstreeEntry& entry) {
  Process process;
  process.pid = entry.pid();
  process.ppid = entry.ppid();
  process.pgid = entry.pgid();
  process.sid = entry.sid();
  process.threads_begin_ = static_cast<std::uint32_t>(threads_.size());
  if (const auto* threads = entry.threads()) {
    threads_.insert(threads_.end(), threads->begin(), threads->end());
  }
  process.threads_end_ = static_cast<std::uint32_t>(threads_.size());

  const auto index = static_cast<std::uint32_t>(processes_.size());
  // Looked up before this one is known, so no process is its own ancestor.
  const auto parent = process.ppid == 0 ? by_pid_.end() : by_pid_.find(process.ppid);
  if (parent != by_pid_.end()) {
    process.parent = parent->second;
    std::uint32_t& last = last_child_[process.parent];
    if (last == Process::kNone) {
      processes_[process.parent].first_child = index;
    } else {
      processes_[last].next_sibling = index;
    }
    last = index;
  }
  processes_.push_back(process);
  last_child_.push_back(Process::kNone);
  by_pid_.try_emplace(process.pid, index);
}

void ProcessTree::add_core(std::uint64_t pid, const schema::CoreEntry& core) {
  Process* process = find_mutable(pid);
  if (process == nullptr) {
    return;
  }
  process->has_core = true;
  if (const auto* thread = core.thread_core()) {
    process->cg_set = thread->cg_set().value_or(0);
  }
  if (const auto* tc = core.tc()) {
    process->task_state = tc->task_state();
    process->state = state_of(process->task_state);
    process->exit_code = tc->exit_code();
    process->stop_signal = tc->stop_signo().value_or(0);
    process->cg_set = process->cg_set != 0 ? process->cg_set : tc->cg_set().value_or(0);
    set_comm(*process, tc->comm());
  }
  if (core.ids() != nullptr) {
    process->has_ids = true;
    process->ids = TaskIds::of(*core.ids());
  }
}

void ProcessTree::add_zombie(std::uint64_t pid, const schema::Zombie& zombie) {
  Process* process = find_mutable(pid);
  if (process == nullptr) {
    return;
  }
  process->has_core = true;
  process->task_state = zombie.task_state();
  process->state = TaskState::zombie;
  process->exit_code = zombie.exit_code();
  process->cg_set = zombie.cg_set().value_or(0);
  set_comm(*process, zombie.comm());
}

void ProcessTree::add_ids(std::uint64_t pid, const schema::TaskKobjIdsEntry& ids) {
  Process* process = find_mutable(pid);
  if (process == nullptr || process->has_ids) {
    return;  // those in the core are taken where there are any: it is read first
  }
  process->has_ids = true;
  process->ids = TaskIds::of(ids);
}

}  // namespace img::model
