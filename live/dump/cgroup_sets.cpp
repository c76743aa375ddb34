// SPDX-License-Identifier: MIT
#include "live/dump/cgroup_sets.h"

#include <unistd.h>

#include <algorithm>

#include "live/dump/cgroup_tree.h"
#include "live/procfs/cgroups.h"
#include "live/procfs/proc_dir.h"
#include "schema/cgroup_generated.h"

namespace img::dump {

Result<CgroupSets::Set> CgroupSets::parse(const std::string& text) {
  IMG_ASSIGN(const std::vector<procfs::CgroupMembership> groups, procfs::parse_cgroups(text));
  Set out;
  for (const procfs::CgroupMembership& one : groups) {
    std::string names;
    for (const std::string& controller : one.controllers) {
      names += (names.empty() ? "" : ",") + controller;
    }
    out.push_back({names, one.path});
  }
  std::sort(out.begin(), out.end());
  return out;
}

Result<void> CgroupSets::begin() {
  IMG_ASSIGN(const auto self, procfs::ProcDir::open(::getpid()));
  IMG_TRY(add(self));
  return {};
}

Result<std::uint32_t> CgroupSets::add(const procfs::ProcDir& thread) {
  IMG_ASSIGN(std::string text, thread.read("cgroup"));
  if (const auto found = by_text_.find(text); found != by_text_.end()) {
    return found->second;
  }
  IMG_ASSIGN(Set set, parse(text));
  const auto next = static_cast<std::uint32_t>(ids_.size() + 1);
  const std::uint32_t id = ids_.try_emplace(std::move(set), next).first->second;
  by_text_.emplace(std::move(text), id);
  return id;
}

Result<void> CgroupSets::finish(RecordBuffer& records) {
  if (ids_.size() == 1) {
    return {};
  }
  std::map<std::string, CgroupTree> trees;  // by controllers
  std::vector<std::pair<std::uint32_t, const Set*>> sets;
  for (const auto& [set, id] : ids_) {
    sets.emplace_back(id, &set);
  }
  std::sort(sets.begin(), sets.end());
  const Set* own = sets.front().second;
  for (const auto& [id, set] : sets) {
    for (const Member& member : id == kOwn ? Set() : *set) {
      auto found = trees.find(member.controllers);
      if (found == trees.end()) {
        IMG_ASSIGN(CgroupTree tree, CgroupTree::open(member.controllers));
        found = trees.emplace(member.controllers, std::move(tree)).first;
      }
      // A group that this process is in as well is the host's, and so is all below it.
      const bool is_shared = std::binary_search(own->begin(), own->end(), member);
      IMG_TRY(found->second.add(member.path, !is_shared));
    }
  }
  auto& builder = records.begin();
  std::vector<flatbuffers::Offset<schema::CgSetEntry>> set_entries;
  for (const auto& [id, set] : sets) {
    std::vector<flatbuffers::Offset<schema::CgMemberEntry>> members;
    for (const Member& member : *set) {
      const auto name = builder.CreateString(member.controllers);
      const auto path = builder.CreateString(member.path);
      members.push_back(schema::CreateCgMemberEntry(builder, name, path));
    }
    const auto members_at = builder.CreateVector(members);
    set_entries.push_back(schema::CreateCgSetEntry(builder, id, members_at));
  }
  std::vector<flatbuffers::Offset<schema::CgControllerEntry>> controllers;
  for (const auto& [name, tree] : trees) {
    controllers.push_back(tree.write(builder));
  }
  const auto sets_at = builder.CreateVector(set_entries);
  const auto controllers_at = builder.CreateVector(controllers);
  records.add(Kind::cgroup, 0, schema::CreateCgroupEntry(builder, sets_at, controllers_at));
  return {};
}

}  // namespace img::dump
