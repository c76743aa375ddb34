// SPDX-License-Identifier: MIT
// Makes CRIU image directories of any size out of a real one: a process of the dump is repeated
// under new pids and ids, each with memory of its own. The same shape always gives the same bytes.
#pragma once

#include <cstdint>
#include <string>

#include "libimg/base/result.h"

namespace img::bench {

struct Shape {
  std::uint64_t seed = 1;
  std::uint32_t tasks = 1;
  std::uint64_t pages_per_task = 30;  // of 4 KiB
  std::uint64_t pages_per_run = 4;    // of adjacent pages, at most twice this
};

/// Into `directory`, which must exist and be empty. `pattern` is the dump of one process.
[[nodiscard]] Result<void> generate(const std::string& pattern, const std::string& directory,
                                    const Shape& shape);

}  // namespace img::bench
