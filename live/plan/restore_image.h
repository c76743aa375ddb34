// SPDX-License-Identifier: MIT
// The records that a plan of tasks and memory is made of, read once and kept. What a plan relies on
// is checked here: every living task has its core, mm and fs, and every thread its core.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/model/arena.h"
#include "libimg/model/process_tree.h"
#include "libimg/model/record.h"
#include "schema/cgroup_generated.h"
#include "schema/core_generated.h"
#include "schema/inventory_generated.h"
#include "schema/mm_generated.h"
#include "schema/regular_files_generated.h"
#include "schema/seccomp_generated.h"
#include "schema/settings_generated.h"

namespace img::plan {

struct ThreadImage {
  std::uint32_t tid = 0;
  const schema::CoreEntry* core = nullptr;
  const schema::ThreadSettings* settings = nullptr;  // or nothing of it

  [[nodiscard]] const schema::ThreadCoreEntry& own() const { return *core->thread_core(); }
};

/// A task that lives or is stopped.
struct TaskImage {
  const model::Process* process = nullptr;
  const schema::MmEntry* mm = nullptr;
  const schema::FsEntry* fs = nullptr;
  const schema::TaskSettings* settings = nullptr;  // or as live-restore has it
  std::vector<ThreadImage> threads;                // the leader first

  [[nodiscard]] std::uint32_t pid() const { return process->pid; }
  [[nodiscard]] const schema::TaskCoreEntry& shared() const { return *threads[0].core->tc(); }
};

class RestoreImage {
 public:
  [[nodiscard]] static Result<RestoreImage> read(model::ImageReader& reader);

  [[nodiscard]] const model::ProcessTree& tree() const { return tree_; }
  /// Parents before children.
  [[nodiscard]] std::span<const TaskImage> tasks() const { return tasks_; }
  [[nodiscard]] const TaskImage* find(std::uint32_t pid) const;
  [[nodiscard]] const schema::SeccompEntry* seccomp() const { return seccomp_; }
  [[nodiscard]] const schema::CgroupEntry* cgroup() const { return cgroup_; }
  [[nodiscard]] const schema::InventoryEntry* inventory() const { return inventory_; }

 private:
  RestoreImage() = default;
  [[nodiscard]] Result<TaskImage> read_task(model::ImageReader& reader,
                                            const model::Process& process);
  template <class T>
  [[nodiscard]] Result<const T*> only_record(model::ImageReader& reader, model::FileKey file);

  model::Arena arena_;
  model::ProcessTree tree_;
  std::vector<TaskImage> tasks_;
  std::unordered_map<std::uint32_t, std::size_t> by_pid_;
  const schema::SeccompEntry* seccomp_ = nullptr;
  const schema::CgroupEntry* cgroup_ = nullptr;
  const schema::InventoryEntry* inventory_ = nullptr;
};

}  // namespace img::plan
