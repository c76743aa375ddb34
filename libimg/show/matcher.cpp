// SPDX-License-Identifier: MIT
#include "libimg/show/matcher.h"

#include <regex.h>
#include <string.h>

#include <algorithm>

namespace img::show {
namespace {

class BytesMatcher : public Matcher {
 public:
  explicit BytesMatcher(std::string pattern) : pattern_(std::move(pattern)) {}
  std::optional<Match> find(Bytes text, std::size_t from) const override {
    if (from >= text.size()) {
      return {};
    }
    const void* found =
        ::memmem(text.data() + from, text.size() - from, pattern_.data(), pattern_.size());
    if (found == nullptr) {
      return {};
    }
    const auto begin = static_cast<std::size_t>(static_cast<const std::byte*>(found) - text.data());
    return Match{begin, pattern_.size()};
  }
  std::size_t longest() const override { return pattern_.size(); }

 private:
  std::string pattern_;
};

/// Searches in steps, because the time of one search may grow with the square of its text.
class RegexMatcher : public Matcher {
 public:
  RegexMatcher() = default;
  ~RegexMatcher() override {
    if (compiled_) {
      ::regfree(&expression_);
    }
  }
  RegexMatcher(const RegexMatcher&) = delete;
  RegexMatcher& operator=(const RegexMatcher&) = delete;

  Result<void> compile(const std::string& expression) {
    const int error = ::regcomp(&expression_, expression.c_str(), REG_EXTENDED);
    if (error != 0) {
      char text[200] = "";
      ::regerror(error, &expression_, text, sizeof text);
      return fail(Fault::usage, "--regex", expression, text);
    }
    compiled_ = true;
    return {};
  }

  std::optional<Match> find(Bytes text, std::size_t from) const override {
    while (from < text.size()) {
      const std::size_t end = std::min(from + kStep + kLongestMatch, text.size());
      regmatch_t match{static_cast<regoff_t>(0), static_cast<regoff_t>(end - from)};
      const char* start = reinterpret_cast<const char*>(text.data()) + from;
      const int flags = REG_STARTEND | REG_NOTBOL | REG_NOTEOL;
      const bool found = ::regexec(&expression_, start, 1, &match, flags) == 0;
      const auto begin = static_cast<std::size_t>(match.rm_so);
      const auto size = found ? static_cast<std::size_t>(match.rm_eo - match.rm_so) : 0;
      if (found && size == 0) {
        from += begin + 1;
      } else if (found && (begin < kStep || end == text.size())) {
        return Match{from + begin, std::min(size, kLongestMatch)};
      } else {
        from += std::min(kStep, end - from);
      }
    }
    return {};
  }
  std::size_t longest() const override { return kLongestMatch; }

 private:
  static constexpr std::size_t kStep = 12288;
  regex_t expression_{};
  bool compiled_ = false;
};

}  // namespace

Result<std::unique_ptr<Matcher>> match_bytes(std::string pattern) {
  if (pattern.empty() || pattern.size() > kLongestPattern) {
    return fail(Fault::usage, "search", pattern.empty() ? "nothing to look for" : "too long",
                pattern.empty() ? "" : "at most 1 MiB can be looked for");
  }
  return std::unique_ptr<Matcher>(std::make_unique<BytesMatcher>(std::move(pattern)));
}

Result<std::unique_ptr<Matcher>> match_regex(const std::string& expression) {
  auto matcher = std::make_unique<RegexMatcher>();
  IMG_TRY(matcher->compile(expression));
  return std::unique_ptr<Matcher>(std::move(matcher));
}

}  // namespace img::show
