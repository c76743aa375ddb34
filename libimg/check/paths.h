// SPDX-License-Identifier: MIT
// Paths out of an image.
#pragma once

#include <string_view>

namespace img::check {

/// Whether a component of the path is "..".
[[nodiscard]] inline bool climbs(std::string_view path) {
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    if (path.substr(0, slash) == "..") {
      return true;
    }
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return false;
}

}  // namespace img::check
