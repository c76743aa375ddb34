// SPDX-License-Identifier: MIT
// Whether this machine is as a plan expects it: asked before the first step, everything at once.
#pragma once

#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "live/plan/facts.h"
#include "live/plan/plan.h"

namespace img::restore {

/// RULE[:GLOB] of --ignore.
struct Ignored {
  std::string rule;  // "REG-4"
  std::string glob;  // of paths, or of the image's files; empty: all
};

/// An error: img-check knows no such rule.
[[nodiscard]] Result<Ignored> parse_ignored(const std::string& text);
[[nodiscard]] bool is_ignored(const std::vector<Ignored>& ignored, const std::string& rule,
                              const std::string& what);

struct PreflightOptions {
  std::string root;  // paths are looked up below it
  std::vector<Ignored> ignored;
};

/// Every reason not to start.
[[nodiscard]] std::vector<state::Refusal> preflight(const plan::Plan& plan,
                                                    const plan::Credentials& ours,
                                                    const PreflightOptions& options);

}  // namespace img::restore
