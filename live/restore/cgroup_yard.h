// SPDX-License-Identifier: MIT
// The cgroup hierarchies of this machine by mounts that nobody else sees: wherever they are
// mounted, or are not, a group is found from the root of its hierarchy.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"
#include "live/plan/plan.h"

namespace img::restore {

class CgroupYard {
 public:
  explicit CgroupYard(const std::vector<plan::Hierarchy>& hierarchies)
      : hierarchies_(hierarchies) {}

  /// The group's folder; Fault::missing: there is no such group.
  [[nodiscard]] Result<UniqueFd> open(std::uint32_t hierarchy, const std::string& path);
  /// It is there, and what is in it runs.
  [[nodiscard]] Result<void> check(const plan::CgroupPresent& expected);
  [[nodiscard]] Result<void> move(const plan::MoveToCgroup& step, pid_t tid);

 private:
  [[nodiscard]] Result<int> root_of(std::uint32_t hierarchy);

  const std::vector<plan::Hierarchy>& hierarchies_;
  std::map<std::uint32_t, UniqueFd> roots_;
};

/// A process into the group whose folder this is (--cgroup PATH); 0: whether that can be.
[[nodiscard]] Result<void> move_to_folder(const std::string& folder, pid_t pid);

}  // namespace img::restore
