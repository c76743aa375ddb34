// SPDX-License-Identifier: MIT
// How a failure in a task of the plan is said.
#pragma once

#include <cstdint>
#include <string>

#include "libimg/base/result.h"

namespace img::restore {

[[nodiscard]] inline std::string task_name(std::uint32_t id) {
  return "task " + std::to_string(id);
}

/// `result` as a system call in the task gave it.
[[nodiscard]] inline Result<void> must_succeed(std::int64_t result, std::uint32_t id,
                                               const char* what) {
  if (result < 0) {
    return fail(sys_error(static_cast<int>(-result), task_name(id), what));
  }
  return {};
}

}  // namespace img::restore
