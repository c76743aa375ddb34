// SPDX-License-Identifier: MIT
// The process tree for Graphviz.
#pragma once

#include <string>

#include "libimg/show/subject.h"

namespace img::show {

[[nodiscard]] std::string tree_as_dot(Subject& subject);

}  // namespace img::show
