// SPDX-License-Identifier: MIT
// /proc/PID/cgroup: where a task is in the cgroup trees. Knows text only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libimg/base/result.h"

namespace img::procfs {

struct CgroupMembership {
  std::uint32_t hierarchy = 0;           // 0: v2
  std::vector<std::string> controllers;  // of v1; one "name=..." for a hierarchy without any
  std::string path;
  bool deleted = false;
};

[[nodiscard]] Result<std::vector<CgroupMembership>> parse_cgroups(std::string_view text);

}  // namespace img::procfs
