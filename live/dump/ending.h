// SPDX-License-Identifier: MIT
// What becomes of a tree whose image is safe.
#pragma once

#include "live/trace/freeze.h"

namespace img::dump {

/// Killed and reaped, as far as that is ours to do; waits until the pids are free, or their
/// parents outside the tree have only to ask. An error if something is still there after that.
[[nodiscard]] Result<void> kill_tree(trace::FrozenTree tree);

/// Let go into a stop that lasts until someone sends SIGCONT.
[[nodiscard]] Result<void> leave_stopped(trace::FrozenTree tree);

}  // namespace img::dump
