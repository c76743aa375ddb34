// SPDX-License-Identifier: MIT
// img-gc --link-remaps: what dumps and failed restores have left on file systems.
#pragma once

#include <string>
#include <vector>

#include "tools/frame/program.h"

namespace img::tools {

struct LeftFilesWanted {
  std::vector<std::string> sources;
  std::string root;  // --root; empty: that of the tree, where it can be known
  bool dry_run = false;
  bool yes = false;
};

/// Lists first; removes with --yes, or if a person at a terminal says so.
[[nodiscard]] Result<int> collect_left_files(const LeftFilesWanted& wanted, frame::Call& call);

}  // namespace img::tools
