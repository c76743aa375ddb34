// SPDX-License-Identifier: MIT
// The one entry of every tool: arguments in, exit code out (cli.md, "Exit codes"). Knows no tool.
#pragma once

#include <string>
#include <vector>

#include "tools/frame/program.h"

namespace img::frame {

inline constexpr int kUsageExit = 2;

/// Runs a tool on these streams. `arguments` without the program's name.
[[nodiscard]] int run_tool(Program& program, std::vector<std::string> arguments, Streams& streams);

/// Runs a tool as this process: standard streams, signals, faults in mappings.
[[nodiscard]] int tool_main(Program& program, int argc, char** argv);

}  // namespace img::frame
