// SPDX-License-Identifier: MIT
// A cgroup and all groups in it held still by the kernel's freezer, v1 or v2, for as long as it
// takes to seize every task in it. Thawed again in every outcome: also if this process is killed,
// by a child that waits for just that.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"
#include "live/trace/waiter.h"

namespace img::trace {

class CgroupFreezer {
 public:
  /// `path` is the group's folder. Refused: a folder that is no freezer, a group with this process
  /// in it, and one that is frozen already, or has a frozen one in it.
  [[nodiscard]] static Result<CgroupFreezer> freeze(const std::string& path, Deadline deadline);

  CgroupFreezer(CgroupFreezer&& other) noexcept;
  CgroupFreezer& operator=(CgroupFreezer&&) = delete;
  ~CgroupFreezer() { thaw(); }

  /// Processes in the group and below.
  [[nodiscard]] const std::vector<pid_t>& members() const { return members_; }
  void thaw();

 private:
  CgroupFreezer() = default;
  [[nodiscard]] Result<void> start_guard();
  [[nodiscard]] Result<void> wait_until_frozen(Deadline deadline);

  std::string path_;
  bool is_v2_ = false;
  UniqueFd control_;  // open for writing: cgroup.freeze or freezer.state
  UniqueFd guard_;    // closed: the child thaws
  pid_t guard_pid_ = -1;
  std::vector<pid_t> members_;
};

}  // namespace img::trace
