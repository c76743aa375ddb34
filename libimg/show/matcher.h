// SPDX-License-Identifier: MIT
// What is looked for in memory: bytes, or a regular expression. Knows nothing of images.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"

namespace img::show {

class Matcher {
 public:
  struct Match {
    std::size_t begin = 0;
    std::size_t size = 0;
  };
  virtual ~Matcher() = default;
  /// The first match that begins at or after `from`. Never empty.
  [[nodiscard]] virtual std::optional<Match> find(Bytes text, std::size_t from) const = 0;
  /// No match is longer.
  [[nodiscard]] virtual std::size_t longest() const = 0;
};

/// At most kLongestPattern bytes.
inline constexpr std::size_t kLongestPattern = std::size_t{1} << 20;
[[nodiscard]] Result<std::unique_ptr<Matcher>> match_bytes(std::string pattern);
/// A POSIX extended expression over bytes; `.` and lists without `^` do not match a zero byte, so
/// a match stays inside of one C string. Matches end after kLongestMatch bytes.
inline constexpr std::size_t kLongestMatch = 4096;
[[nodiscard]] Result<std::unique_ptr<Matcher>> match_regex(const std::string& expression);

}  // namespace img::show
