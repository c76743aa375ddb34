// SPDX-License-Identifier: MIT
// What this machine and this process are, as far as a plan has to know it.
#pragma once

#include "libimg/base/result.h"
#include "live/plan/facts.h"

namespace img::restore {

[[nodiscard]] Result<plan::HostFacts> ask_host();

/// As the first process of a pid namespace: our threads and what we start from now on get high
/// numbers. The low ones are those that a tree of such a namespace had. Before any thread is made.
void leave_low_pids_free();

}  // namespace img::restore
