// SPDX-License-Identifier: MIT
// Walks over the text of a file of /proc. Every step either takes what it names or leaves the text
// as it was and says so; nothing is copied.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

#include "libimg/base/result.h"

namespace img {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  [[nodiscard]] bool at_end() const { return text_.empty(); }
  [[nodiscard]] std::string_view rest() const { return text_; }

  bool skip(std::string_view expected) {
    if (!text_.starts_with(expected)) {
      return false;
    }
    text_.remove_prefix(expected.size());
    return true;
  }
  Scanner& skip_blanks() {
    const std::size_t at = text_.find_first_not_of(" \t");
    text_.remove_prefix(at == std::string_view::npos ? text_.size() : at);
    return *this;
  }
  /// Everything up to `end`, which is taken too; the whole rest if `end` is not there.
  std::string_view until(char end) {
    const std::size_t at = text_.find(end);
    const std::string_view out = text_.substr(0, at);
    text_.remove_prefix(at == std::string_view::npos ? text_.size() : at + 1);
    return out;
  }
  std::string_view line() { return until('\n'); }
  /// Up to the next blank.
  std::string_view word() {
    skip_blanks();
    const std::string_view out = text_.substr(0, text_.find_first_of(" \t\n"));
    text_.remove_prefix(out.size());
    return out;
  }
  /// A number right here. Too large a one is none.
  template <std::integral T>
  std::optional<T> number(int base = 10) {
    T value{};
    const char* end = text_.data() + text_.size();
    const auto [stop, error] = std::from_chars(text_.data(), end, value, base);
    if (error != std::errc{}) {
      return std::nullopt;
    }
    text_.remove_prefix(static_cast<std::size_t>(stop - text_.data()));
    return value;
  }
  /// The same into `out`: chains with &&.
  template <std::integral T>
  bool take(T& out, int base = 10) {
    const std::optional<T> value = number<T>(base);
    out = value.value_or(out);
    return value.has_value();
  }

 private:
  std::string_view text_;
};

/// `file: what: not as the kernel writes it`
[[nodiscard]] inline Failure malformed(std::string_view file, std::string_view what) {
  return fail(Fault::corrupt, std::string(file), std::string(what), "not as the kernel writes it");
}

}  // namespace img
