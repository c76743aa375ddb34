// SPDX-License-Identifier: MIT
// A plan as text, one line a call, as strace would show it.
#pragma once

#include <ostream>

#include "live/plan/plan.h"

namespace img::plan {

/// `open /x` as a comment, results as %3; bytes out of the image are escaped.
void print(std::ostream& out, const Plan& plan);
/// One step, several lines where it is several calls.
void print_step(std::ostream& out, const Plan& plan, const Step& step);
/// "openat", "syscall 500".
[[nodiscard]] std::string call_name(long number);

}  // namespace img::plan
