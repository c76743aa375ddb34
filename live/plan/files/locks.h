// SPDX-License-Identifier: MIT
// Locks on files (flock, POSIX, OFD) and leases, taken again by the tasks that had them.
#pragma once

#include <map>
#include <vector>

#include "live/plan/builder.h"

namespace img::plan {

class FileLocks {
 public:
  [[nodiscard]] Result<void> read(model::ImageReader& reader);
  /// Calls of `actor`, when it has its descriptors.
  [[nodiscard]] Result<void> complete(PlanBuilder& builder, Actor actor) const;

 private:
  struct Lock {
    std::uint32_t kind = 0;
    std::uint32_t type = 0;
    std::int32_t fd = 0;
    std::int64_t start = 0;
    std::int64_t length = 0;
  };
  std::map<std::uint32_t, std::vector<Lock>> by_task_;
};

}  // namespace img::plan
