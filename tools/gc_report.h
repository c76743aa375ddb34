// SPDX-License-Identifier: MIT
// What img-gc says of a store: first what would go, and why, then what went.
#pragma once

#include <optional>

#include "libimg/gc/apply.h"
#include "libimg/store/compact.h"
#include "tools/frame/program.h"

namespace img::tools {

/// One line of a list of what goes and what stays.
struct GcLine {
  std::string action;  // drop, keep, fold, rewrite, remove
  std::string name;
  std::uint64_t bytes = 0;
  std::string why;
};
/// As a table; nothing with -q.
void print_lines(frame::Call& call, const std::vector<GcLine>& lines);

void report_plan(frame::Call& call, const gc::Plan& plan, bool dry_run);
void report_outcome(frame::Call& call, const gc::Plan& plan, const gc::Outcome& outcome,
                    const std::optional<store::Compacted>& compacted);

}  // namespace img::tools
