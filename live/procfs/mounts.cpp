// SPDX-License-Identifier: MIT
#include "live/procfs/mounts.h"

#include "live/procfs/scanner.h"

namespace img::procfs {
namespace {

constexpr std::size_t kMaxHierarchies = 256;
constexpr std::size_t kMaxMounts = 1'000'000;  // fs.mount-max is 100,000
constexpr std::string_view kDeleted = " (deleted)";

bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

Result<CgroupMembership> parse_membership(std::string_view line) {
  CgroupMembership out;
  Scanner in(line);
  if (!in.take(out.hierarchy) || !in.skip(":") || in.rest().find(':') == std::string_view::npos) {
    return malformed("cgroup", line.substr(0, 100));
  }
  for (Scanner names(in.until(':')); !names.at_end();) {
    out.controllers.emplace_back(names.until(','));
  }
  out.path = in.rest();
  if (out.path.ends_with(kDeleted)) {
    out.path.resize(out.path.size() - kDeleted.size());
    out.deleted = true;
  }
  return out;
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

Result<std::vector<CgroupMembership>> parse_cgroups(std::string_view text) {
  std::vector<CgroupMembership> out;
  for (Scanner in(text); !in.at_end();) {
    IMG_ASSIGN(CgroupMembership one, parse_membership(in.line()));
    if (out.size() == kMaxHierarchies) {
      return malformed("cgroup", "number of hierarchies");
    }
    out.push_back(std::move(one));
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

}  // namespace img::procfs
