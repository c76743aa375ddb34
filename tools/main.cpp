// SPDX-License-Identifier: MIT
// The main of every tool; the build says which.
#include "tools/frame/run_tool.h"
#include "tools/tools.h"

int main(int argc, char** argv) {
  return img::frame::tool_main(*img::tools::STASIS_TOOL(), argc, argv);
}
