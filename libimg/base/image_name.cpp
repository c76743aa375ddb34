// SPDX-License-Identifier: MIT
#include "libimg/base/image_name.h"

#include "libimg/base/text.h"
#include "libimg/base/units.h"

namespace img {
namespace {

// <cctype> asks the locale.
bool starts_a_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool continues_a_name(char c) {
  return starts_a_name(c) || c == '.' || c == '-';
}

std::string with_suffix(std::string_view name, const std::string& suffix) {
  return std::string(name.substr(0, kMaxImageName - suffix.size())) + suffix;
}

}  // namespace

bool is_image_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxImageName || !starts_a_name(text.front())) {
    return false;
  }
  for (const char c : text) {
    if (!continues_a_name(c)) {
      return false;
    }
  }
  return true;
}

Result<void> check_image_name(std::string_view text) {
  if (!is_image_name(text)) {
    return fail(Fault::usage, escaped(text, 200), "not a name for an image", {},
                "1 to 128 of A-Z a-z 0-9 _ . -, the first neither . nor -");
  }
  return {};
}

std::string sanitised_name(std::string_view text) {
  std::string out(text.substr(0, kMaxImageName));
  for (char& c : out) {
    c = continues_a_name(c) ? c : '_';
  }
  if (out.empty()) {
    return "image";
  }
  if (!starts_a_name(out.front())) {
    out.front() = '_';
  }
  return out;
}

std::string default_name(std::string_view series, std::uint64_t realtime_ns) {
  return with_suffix(sanitised_name(series), "-" + compact_time(realtime_ns));
}

std::string numbered_name(std::string_view name, std::uint64_t number) {
  return with_suffix(name, "." + std::to_string(number));
}

}  // namespace img
