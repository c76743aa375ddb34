// SPDX-License-Identifier: MIT
// What live-dump says about a dump, in text, JSON and a log, and about the host.
#pragma once

#include <string>

#include "live/dump/session.h"
#include "tools/frame/program.h"

namespace img::tools {

void report_outcome(frame::Call& call, const dump::Request& request, const dump::Outcome& outcome);

[[nodiscard]] std::string log_text(const dump::Request& request,
                                   const Result<dump::Outcome>& outcome);

/// 0 if this user can dump here.
[[nodiscard]] Result<int> report_status(frame::Call& call);

}  // namespace img::tools
