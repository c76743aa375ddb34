// SPDX-License-Identifier: MIT
// Tasks that somebody else has frozen by their cgroup: they would not do what they are asked for.
#pragma once

#include <sys/types.h>

#include <vector>

#include "live/state/state.h"

namespace img::dump {

/// One refusal for each such process.
void refuse_frozen(const std::vector<pid_t>& tree, std::vector<state::Refusal>& out);

}  // namespace img::dump
