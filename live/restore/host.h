// SPDX-License-Identifier: MIT
// What this machine and this process are, as far as a plan has to know it.
#pragma once

#include "libimg/base/result.h"
#include "live/plan/facts.h"

namespace img::restore {

[[nodiscard]] Result<plan::HostFacts> ask_host();

}  // namespace img::restore
