// SPDX-License-Identifier: MIT
// A store with what no dump of CRIU's has: settings of a task.
#pragma once

#include <string>

namespace img::tools {

/// A new store there with one image, "bound": a process that is bound to a CPU.
void make_bound_store(const std::string& place);

}  // namespace img::tools
