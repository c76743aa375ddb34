// SPDX-License-Identifier: MIT
// What a tar says of one of its members, and what may stand there. Knows no image.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"
#include "schema/archive_generated.h"

namespace img::archive {

using schema::MemberType;

/// FORMAT.md, "Limits".
inline constexpr std::size_t kMaxMembers = 200'000;
inline constexpr std::size_t kMaxPath = 4096;
inline constexpr std::size_t kMaxHead = 1 << 20;

struct Member {
  std::string path;  // as clean_path() gives it
  MemberType type = MemberType::file;
  std::uint32_t mode = 0;  // permission bits
  std::uint64_t uid = 0;
  std::uint64_t gid = 0;
  std::string user;
  std::string group;
  std::int64_t mtime = 0;
  std::uint32_t mtime_ns = 0;
  std::string target;  // of a link
  std::uint64_t size = 0;

  /// The same in all that a header says.
  friend bool operator==(const Member&, const Member&) = default;
};

/// "./a//b/" as "a/b"; the top itself is "". Nothing for a name that leads out, is absolute, or is
/// none: `why` says so.
[[nodiscard]] std::optional<std::string> clean_path(std::string_view name, std::string* why);

/// Whether a link there, with this text, leads to something inside of the archive.
[[nodiscard]] bool stays_inside(std::string_view path, std::string_view target);

/// Up to the last slash; "" at the top.
[[nodiscard]] std::string_view folder_of(std::string_view path);
[[nodiscard]] std::string_view name_of(std::string_view path);

}  // namespace img::archive
