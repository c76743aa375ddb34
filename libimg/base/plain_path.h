// SPDX-License-Identifier: MIT
// Paths out of an image that something is made or removed at.
#pragma once

#include <string>
#include <string_view>

namespace img {

/// Absolute, and of plain parts only: what a kernel says of a file that is open, and what leads
/// nowhere else than it seems to.
[[nodiscard]] inline bool is_plain_path(std::string_view path) {
  constexpr std::size_t kMost = 4096;  // PATH_MAX
  const std::string closed = std::string(path.substr(0, kMost)) + "/";
  return path.starts_with('/') && path.size() < kMost && path.find('\0') == path.npos &&
         closed.find("/./") == closed.npos && closed.find("/../") == closed.npos &&
         !path.ends_with('/');
}

/// "/var/log/x": "x".
[[nodiscard]] inline std::string file_part(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace img
