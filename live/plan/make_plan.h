// SPDX-License-Identifier: MIT
// The whole plan of a restore, in its order.
#pragma once

#include "libimg/base/result.h"
#include "live/plan/facts.h"
#include "live/plan/file_planner.h"
#include "live/plan/plan.h"

namespace img::plan {

/// An error: the image is not one that a plan can be made of. What could be restored elsewhere or
/// with another option is in Plan::refusals, all of it.
[[nodiscard]] Result<Plan> make_plan(model::ImageReader& image, const HostFacts& facts,
                                     const PlanOptions& options, FilePlanner& files);

}  // namespace img::plan
