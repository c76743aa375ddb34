// SPDX-License-Identifier: MIT
// What CLI11 would say unclearly or accept wrongly, said before it parses.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "tools/frame/program.h"

namespace img::frame {

/// CRIU writes `-v4`; here it is four times -v.
void expand_verbosity(std::vector<std::string>& arguments);

/// --json before it is known whether the arguments make sense.
[[nodiscard]] bool asks_for_json(const std::vector<std::string>& arguments);

/// An error for the first option that the tool does not have; CRIU's are called that.
[[nodiscard]] Result<void> check_options(const CLI::App& app, const ToolInfo& tool,
                                         const std::vector<std::string>& arguments);

[[nodiscard]] Failure usage_error(const ToolInfo& tool, std::string what, std::string why = {});

/// An option that takes one value each time it is given; CLI11 alone would take all that follow.
CLI::Option* add_repeated(CLI::App& app, const std::string& names,
                          std::vector<std::string>& values);

}  // namespace img::frame
