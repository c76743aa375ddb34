// SPDX-License-Identifier: MIT
// Which processes are not to be frozen, and why, as far as it shows from outside and before
// anything is stopped.
#pragma once

#include <sys/types.h>

#include <vector>

#include "libimg/base/result.h"
#include "live/procfs/proc_dir.h"
#include "live/state/state.h"

namespace img::trace {

/// Every reason against this one process; none if it has ended meanwhile.
[[nodiscard]] std::vector<state::Refusal> refusals_of(const procfs::ProcDir& process);

/// Every reason in the tree below `root`, as it is now; at most `most`. None if there is no such
/// process.
[[nodiscard]] std::vector<state::Refusal> refusals_in_tree(pid_t root, std::size_t most = 100);

/// The two have one address space. Of stopped or otherwise quiet processes: a vfork child has its
/// parent's until it calls exec.
[[nodiscard]] Result<bool> share_memory(pid_t one, pid_t other);

/// Pairs among `pids` that have one address space, as errors.
[[nodiscard]] std::vector<state::Refusal> shared_address_spaces(std::vector<pid_t> pids);

}  // namespace img::trace
