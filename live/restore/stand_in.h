// SPDX-License-Identifier: MIT
// A child that does nothing but be there: it has the pid of a process that is gone while something
// of that process is opened. It ends with us, or when told.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "libimg/base/result.h"

namespace img::restore {

/// `pid` 0: any. Fault::conflict: it is taken.
[[nodiscard]] Result<pid_t> make_stand_in(std::uint32_t pid);
/// Ends it and waits until it is gone.
[[nodiscard]] Result<void> end_stand_in(pid_t pid);

}  // namespace img::restore
