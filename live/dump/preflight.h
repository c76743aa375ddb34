// SPDX-License-Identifier: MIT
// What can be said against a dump before anything is stopped.
#pragma once

#include <string>
#include <vector>

#include "live/procfs/proc_dir.h"
#include "live/state/state.h"

namespace img::dump {

struct Preflight {
  pid_t root = 0;
  std::string store;          // may be missing
  std::string freeze_cgroup;  // or empty
  bool shell_job = false;
};

/// What the images of this process are called where nothing else was said: its name.
[[nodiscard]] Result<std::string> series_of(pid_t root);

/// Every reason; an error where even that could not be found out.
[[nodiscard]] Result<std::vector<state::Refusal>> reasons_against(const Preflight& asked);

}  // namespace img::dump
