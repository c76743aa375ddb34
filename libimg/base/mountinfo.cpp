// SPDX-License-Identifier: MIT
#include "libimg/base/mountinfo.h"

#include "libimg/base/scanner.h"

namespace img {
namespace {

constexpr std::size_t kMaxMounts = 1'000'000;  // fs.mount-max is 100,000

bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

Result<Mount> parse_mount(std::string_view line) {
  Mount out;
  Scanner in(line);
  if (!in.take(out.id) || !in.skip(" ") || !in.take(out.parent) || !in.skip(" ") ||
      !in.take(out.device_major) || !in.skip(":") || !in.take(out.device_minor) || !in.skip(" ")) {
    return malformed("mountinfo", line.substr(0, 100));
  }
  out.root = without_octal_escapes(in.until(' '));
  out.mountpoint = without_octal_escapes(in.until(' '));
  out.options = in.until(' ');
  for (std::string_view field = in.until(' '); field != "-"; field = in.until(' ')) {
    if (in.at_end()) {
      return malformed("mountinfo", line.substr(0, 100));
    }
    out.propagation.emplace_back(field);
  }
  out.type = in.until(' ');
  out.source = without_octal_escapes(in.until(' '));
  out.super_options = in.rest();
  return out;
}

}  // namespace

std::string without_octal_escapes(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    if (text[0] == '\\' && text.size() >= 4 && text[1] <= '3' && is_octal(text[1]) &&
        is_octal(text[2]) && is_octal(text[3])) {
      out += static_cast<char>((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
      text.remove_prefix(4);
    } else {
      out += text[0];
      text.remove_prefix(1);
    }
  }
  return out;
}

Result<std::vector<Mount>> parse_mountinfo(std::string_view text) {
  std::vector<Mount> out;
  for (Scanner in(text); !in.at_end();) {
    IMG_ASSIGN(Mount one, parse_mount(in.line()));
    if (out.size() == kMaxMounts) {
      return malformed("mountinfo", "number of mounts");
    }
    out.push_back(std::move(one));
  }
  return out;
}

}  // namespace img
