// SPDX-License-Identifier: MIT
#include "live/procfs/cgroups.h"

#include "libimg/base/scanner.h"

namespace img::procfs {
namespace {

constexpr std::size_t kMaxHierarchies = 256;
constexpr std::string_view kDeleted = " (deleted)";

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

}  // namespace

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

}  // namespace img::procfs
