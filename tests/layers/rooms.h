// SPDX-License-Identifier: MIT
// What a file of the source tree may say, by the room it is in: which rooms it may include, which
// foreign headers have their home there. Knows text only; it never looks at the tree itself.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace img::layers {

/// One line per rule that the file breaks, "path:line: what". `path` starts at the root of the
/// tree.
[[nodiscard]] std::vector<std::string> violations(std::string_view path, std::string_view text);

}  // namespace img::layers
