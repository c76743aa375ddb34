// SPDX-License-Identifier: MIT
// Holds tools/JSON.md and what tools write together.
#pragma once

#include <string>
#include <vector>

#include "tests/tools/frame/test_streams.h"

namespace img::tools {

/// Every run wrote one object; each of its fields is in "Every tool" or the tool's section, and
/// each field of that section is in the object of at least one run.
void expect_documented(const std::string& tool, const std::vector<frame::ToolRun>& runs);

}  // namespace img::tools
