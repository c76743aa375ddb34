// SPDX-License-Identifier: MIT
// The first task of a tree: a copy of this process that does nothing, traced from its birth, and
// gone at once should we end.
#pragma once

#include "libimg/base/result.h"
#include "live/restore/task_table.h"
#include "live/trace/remote_call.h"

namespace img::restore {

struct RootOptions {
  bool is_sibling = false;  // a child of our parent
  bool suspend_seccomp = true;
};

/// With `pid`, and the workbench mapped. Fault::conflict: the pid is taken.
[[nodiscard]] Result<MadeTask> make_root(std::uint32_t pid, const trace::Workbench& bench,
                                         const RootOptions& options);

}  // namespace img::restore
