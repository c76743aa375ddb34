// SPDX-License-Identifier: MIT
// Pages that a forked child and its parent still have in common: the same frame at the same
// address. Asked of the kernel, which shows frames to CAP_SYS_ADMIN only.
#pragma once

#include <vector>

#include "live/dump/page_plan.h"

namespace img::dump {

/// Ascending; empty where the kernel does not say. Both processes are stopped.
[[nodiscard]] Result<std::vector<trace::RemoteRange>> common_pages(const PagePlan& child,
                                                                   const PagePlan& parent);

}  // namespace img::dump
