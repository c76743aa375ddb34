// SPDX-License-Identifier: MIT
#include "live/plan/cgroups.h"

#include "libimg/base/text.h"

namespace img::plan {
namespace {

Failure bad(const std::string& what, const char* why) {
  return fail(Fault::corrupt, "cgroup.img", escaped(what), why);
}

bool is_sound(std::string_view path) {
  return path.starts_with('/') && path.find('\0') == path.npos &&
         ("/" + std::string(path) + "/").find("/../") == std::string::npos;
}

}  // namespace

Result<void> CgroupPlanner::check_member(const schema::CgMemberEntry& member) {
  if (!is_sound(member.path()->str())) {
    return bad(member.path()->str(), "not a path in a hierarchy");
  }
  if (!hierarchies_.contains(member.name()->str())) {
    return bad(member.name()->str(), "no such hierarchy in the image");
  }
  return {};
}

Result<void> CgroupPlanner::check() {
  if (image_.cgroup() == nullptr || image_.cgroup()->sets() == nullptr) {
    return {};
  }
  auto& all = builder_.plan().hierarchies;
  if (image_.cgroup()->controllers() != nullptr) {
    for (const schema::CgControllerEntry* one : *image_.cgroup()->controllers()) {
      Hierarchy hierarchy;
      for (std::size_t i = 0; one->cnames() != nullptr && i < one->cnames()->size(); ++i) {
        hierarchy.controllers.push_back(
            one->cnames()->Get(static_cast<flatbuffers::uoffset_t>(i))->str());
        hierarchies_.emplace(hierarchy.controllers.back(), static_cast<std::uint32_t>(all.size()));
      }
      all.push_back(std::move(hierarchy));
    }
  }
  for (const schema::CgSetEntry* set : *image_.cgroup()->sets()) {
    for (std::size_t i = 0; set->ctls() != nullptr && i < set->ctls()->size(); ++i) {
      const auto& member = *set->ctls()->Get(static_cast<flatbuffers::uoffset_t>(i));
      // A set may name a hierarchy that no task uses: then nobody is moved there.
      if (!hierarchies_.contains(member.name()->str())) {
        hierarchies_.emplace(member.name()->str(), static_cast<std::uint32_t>(all.size()));
        all.push_back({{member.name()->str()}});
      }
      IMG_TRY(check_member(member));
    }
  }
  return {};
}

const schema::CgSetEntry* CgroupPlanner::find(std::uint32_t set) const {
  if (image_.cgroup() == nullptr || image_.cgroup()->sets() == nullptr) {
    return nullptr;
  }
  for (const schema::CgSetEntry* one : *image_.cgroup()->sets()) {
    if (one->id() == set) {
      return one;
    }
  }
  return nullptr;
}

std::uint32_t CgroupPlanner::set_of(const model::Process& process) const {
  const TaskImage* task = image_.find(process.pid);
  return task == nullptr ? 0 : task->threads[0].own().cg_set().value_or(process.cg_set);
}

void CgroupPlanner::move(std::uint32_t tid, std::uint32_t from, std::uint32_t to, bool is_thread) {
  const schema::CgSetEntry* wanted = find(to);
  const schema::CgSetEntry* now = find(from);
  if (options_.cgroup != PlanOptions::Cgroup::recorded || wanted == nullptr ||
      wanted->ctls() == nullptr) {
    return;
  }
  for (const schema::CgMemberEntry* member : *wanted->ctls()) {
    const std::string path = member->path()->str();
    bool is_there = false;
    for (std::size_t i = 0; now != nullptr && now->ctls() != nullptr && i < now->ctls()->size();
         ++i) {
      const auto& one = *now->ctls()->Get(static_cast<flatbuffers::uoffset_t>(i));
      is_there =
          is_there || (one.name()->str() == member->name()->str() && one.path()->str() == path);
    }
    if (is_there) {
      continue;
    }
    const std::uint32_t hierarchy = hierarchies_.at(member->name()->str());
    if (expected_.emplace(hierarchy, path).second) {
      builder_.expect(CgroupPresent{hierarchy, path});
    }
    builder_.step(MoveToCgroup{tid, hierarchy, path, is_thread});
  }
}

void CgroupPlanner::place(std::uint32_t pid, Actor parent, std::uint32_t set) {
  const std::uint32_t own =
      image_.inventory() == nullptr ? 0 : image_.inventory()->root_cg_set().value_or(0);
  const auto made_in = sets_.find(parent.tid);
  const std::uint32_t from = made_in == sets_.end() ? own : made_in->second;
  const std::uint32_t to = set == 0 ? from : set;
  sets_[pid] = to;
  if (to != from) {
    move(pid, from, to, false);
  }
}

void CgroupPlanner::place_thread(std::uint32_t pid, std::uint32_t tid, std::uint32_t set) {
  const auto leader = sets_.find(pid);
  if (set != 0 && leader != sets_.end() && set != leader->second) {
    move(tid, leader->second, set, true);
  }
}

}  // namespace img::plan
