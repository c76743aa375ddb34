// SPDX-License-Identifier: MIT
#include "live/dump/frozen_groups.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "libimg/base/text.h"
#include "live/dump/cgroup_tree.h"
#include "live/procfs/cgroup_state.h"
#include "live/procfs/cgroups.h"
#include "live/procfs/proc_dir.h"

namespace img::dump {
namespace {

constexpr const char* kFreezer = "freezer";

/// Its group in one of the two hierarchies that freeze, by the words that CgroupTree takes.
std::string group_of(const procfs::ProcDir& process, const std::string& controller) {
  const auto text = process.read("cgroup");
  const auto groups = text ? procfs::parse_cgroups(*text)
                           : Result<std::vector<procfs::CgroupMembership>>(fail(text.error()));
  for (std::size_t i = 0; groups && i < groups->size(); ++i) {
    const auto& names = (*groups)[i].controllers;
    const bool is_v2 = names.empty() || names.front().empty();
    if (controller.empty() ? is_v2 : std::ranges::count(names, controller) != 0) {
      return (*groups)[i].path;
    }
  }
  return {};
}

class Groups {
 public:
  explicit Groups(std::string controller) : controller_(std::move(controller)) {
    if (const auto self = procfs::ProcDir::open(::getpid())) {
      known_.emplace(group_of(*self, controller_), false);  // we run
    }
  }
  [[nodiscard]] std::string of(const procfs::ProcDir& process) const {
    return group_of(process, controller_);
  }
  [[nodiscard]] bool is_frozen(const std::string& path) {
    const auto [found, is_new] = known_.try_emplace(path, false);
    if (is_new && !path.empty()) {
      if (!tree_) {
        auto tree = CgroupTree::open(controller_);
        tree_ = tree ? std::optional(std::move(*tree)) : std::nullopt;
      }
      const UniqueFd folder = tree_ ? tree_->folder(path) : UniqueFd();
      found->second = folder.is_open() && procfs::is_frozen_group(folder.get());
    }
    return found->second;
  }

 private:
  std::string controller_;
  std::map<std::string, bool> known_;
  std::optional<CgroupTree> tree_;
};

}  // namespace

void refuse_frozen(const std::vector<pid_t>& tree, std::vector<state::Refusal>& out) {
  Groups hierarchies[] = {Groups(kFreezer), Groups("")};
  for (const pid_t pid : tree) {
    const auto process = procfs::ProcDir::open(pid);
    for (Groups& groups : hierarchies) {
      const std::string path = process ? groups.of(*process) : "";
      if (groups.is_frozen(path)) {
        out.push_back(state::refusal(state::Piece::frozen_group, "process " + std::to_string(pid),
                                     "cgroup " + escaped(path), "thaw it first"));
      }
    }
  }
}

}  // namespace img::dump
