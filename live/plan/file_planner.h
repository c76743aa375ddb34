// SPDX-License-Identifier: MIT
// The seam between the planner of tasks and memory and that of open files. The order in which the
// first calls the second:
//
//   highest_descriptor     before there is a builder
//   open_all               no task exists yet: all files, by calls of the restorer
//   slot_of                for mappings, exe, cwd and root, while all tasks still have the slots
//   install                every task with a table of its own, when all mappings are made
//   complete               the same tasks, when every table is installed
//   finish                 calls of the restorer: what was made only for the restore goes
#pragma once

#include <cstdint>

#include "live/plan/builder.h"

namespace img::plan {

class FilePlanner {
 public:
  virtual ~FilePlanner() = default;

  /// Of all tables; -1 if no task has any.
  [[nodiscard]] virtual std::int64_t highest_descriptor() const = 0;
  /// What cannot be opened is refused (builder.refuse), what must be there expected.
  [[nodiscard]] virtual Result<void> open_all(PlanBuilder& builder) = 0;
  /// The descriptor of a file of the image, as the restorer and every task hold it until install.
  /// Also of files that only a mapping, exe, cwd or root names. Fault::missing: no such file.
  [[nodiscard]] virtual Result<Slot> slot_of(std::uint32_t file_id) = 0;
  /// The same for a mapping, which may want it open in another way (VmaEntry.fdflags).
  [[nodiscard]] virtual Result<Slot> slot_for_mapping(std::uint32_t file_id,
                                                      std::uint32_t open_flags) = 0;
  /// Calls of `actor`: from what it inherited to exactly the table `files_id`. Ends with
  /// close_range(base, ~0).
  [[nodiscard]] virtual Result<void> install(PlanBuilder& builder, Actor actor,
                                             std::uint32_t files_id) = 0;
  /// Calls of `actor` that need other tasks, or that only a task can make: F_SETOWN, epoll_ctl,
  /// pidfd_open, locks.
  [[nodiscard]] virtual Result<void> complete(PlanBuilder& builder, Actor actor,
                                              std::uint32_t files_id) = 0;
  [[nodiscard]] virtual Result<void> finish(PlanBuilder& builder) = 0;
};

}  // namespace img::plan
