// SPDX-License-Identifier: MIT
// /proc/PID/mountinfo: the mounts that a task sees. Knows text only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libimg/base/result.h"

namespace img {

struct Mount {
  std::int32_t id = 0;
  std::int32_t parent = 0;
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  std::string root;  // these and `source` with the kernel's \040 escapes undone
  std::string mountpoint;
  std::string options;
  std::vector<std::string> propagation;  // shared:N, master:N, propagate_from:N, unbindable
  std::string type;
  std::string source;
  std::string super_options;
};

/// In the kernel's order.
[[nodiscard]] Result<std::vector<Mount>> parse_mountinfo(std::string_view text);

/// `\040` and its like turned back into the characters they stand for.
[[nodiscard]] std::string without_octal_escapes(std::string_view text);

}  // namespace img
