// SPDX-License-Identifier: MIT
// The memory of a plan: mappings, what is in them, and what the kernel knows of the address space.
// Addresses come from strangers: they are checked here before anything is planned with them.
#pragma once

#include <map>
#include <set>

#include "libimg/base/result.h"
#include "live/plan/builder.h"
#include "live/plan/facts.h"
#include "live/plan/file_planner.h"
#include "live/plan/restore_image.h"

namespace img::plan {

class MemoryPlanner {
 public:
  MemoryPlanner(PlanBuilder& builder, const RestoreImage& image, const HostFacts& facts,
                model::ImageReader& reader, FilePlanner& files)
      : builder_(builder), image_(image), facts_(facts), reader_(reader), files_(files) {}

  /// Every mapping of every task is possible; the plan gets a workbench beside all of them.
  [[nodiscard]] Result<void> check();
  /// Calls of the restorer: memory that tasks share without a file.
  [[nodiscard]] Result<void> make_segments();
  /// Calls of the task while the tree is made: mappings it has already, and those it is to have
  /// now, with their pages; by index. All are left readable and writable.
  [[nodiscard]] Result<void> map_early(const TaskImage& task, const std::set<std::uint32_t>& there,
                                       const std::set<std::uint32_t>& wanted);
  /// Calls of the task: its mappings, empty, and the vdso.
  [[nodiscard]] Result<void> map(const TaskImage& task);
  /// Pages, final protection, advice.
  [[nodiscard]] Result<void> fill(const TaskImage& task);
  /// brk, auxv, exe and the other fields of PR_SET_MM_MAP.
  [[nodiscard]] Result<void> describe(const TaskImage& task);

 private:
  [[nodiscard]] Result<void> check_mappings(const TaskImage& task);
  [[nodiscard]] Result<void> check_vdso(const TaskImage& task);
  [[nodiscard]] Result<void> find_pages(const TaskImage& task);
  [[nodiscard]] Result<void> choose_workbench();
  [[nodiscard]] Result<Value> object_of(const schema::VmaEntry& vma);
  [[nodiscard]] Result<void> map_one(const TaskImage& task, std::uint32_t index);
  [[nodiscard]] Result<void> make_ring(const TaskImage& task, const schema::VmaEntry& vma);
  [[nodiscard]] bool is_early(const TaskImage& task, std::uint32_t index) const;
  [[nodiscard]] std::uint32_t first_protection(const TaskImage& task, std::uint32_t index) const;
  void protect(const TaskImage& task);
  void advise(const TaskImage& task, const schema::VmaEntry& vma);

  PlanBuilder& builder_;
  const RestoreImage& image_;
  const HostFacts& facts_;
  model::ImageReader& reader_;
  FilePlanner& files_;
  std::map<std::uint64_t, Slot> segments_;  // by shmid
  std::vector<Range> occupied_;
  std::map<std::uint32_t, std::set<std::uint32_t>> early_;  // by pid: mappings that are there
  const TaskImage* pages_of_ = nullptr;
  std::vector<bool> has_pages_;  // of each mapping of `pages_of_`
};

}  // namespace img::plan
