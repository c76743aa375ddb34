// SPDX-License-Identifier: MIT
// Interval and POSIX timers of a task, made and started.
#pragma once

#include "libimg/base/result.h"
#include "live/plan/builder.h"
#include "live/plan/facts.h"
#include "live/plan/restore_image.h"

namespace img::plan {

[[nodiscard]] Result<void> plan_timers(PlanBuilder& builder, const HostFacts& facts,
                                       const TaskImage& task);

}  // namespace img::plan
