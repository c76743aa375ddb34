// SPDX-License-Identifier: MIT
// Sets of addresses: ranges in ascending order that do not touch.
#pragma once

#include <vector>

#include "live/plan/plan.h"

namespace img::plan {

using Ranges = std::vector<Range>;

/// Adds what begins at or after the start of the last one.
void add_range(Ranges& to, Range one);
/// What is in both.
[[nodiscard]] Ranges common_to(const Ranges& a, const Ranges& b);
/// What is in `a` and not in `b`.
[[nodiscard]] Ranges without(const Ranges& a, const Ranges& b);

}  // namespace img::plan
