// SPDX-License-Identifier: MIT
// The rules of img-check that need nothing but the image, as reasons not to restore it. Refuses to
// know what a rule asks; what a page holds is not compared with its hash here.
#pragma once

#include <vector>

#include "libimg/base/result.h"
#include "libimg/model/record.h"
#include "live/restore/preflight.h"

namespace img::restore {

/// Every error that the rules find, but for those that are ignored. Each says --ignore RULE.
[[nodiscard]] Result<std::vector<state::Refusal>> broken_rules(model::ImageReader& image,
                                                               const std::vector<Ignored>& ignored);

}  // namespace img::restore
