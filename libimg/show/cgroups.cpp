// SPDX-License-Identifier: MIT
// cgroups: who was where, and the directories with their properties.
#include <map>

#include "libimg/show/views.h"
#include "schema/cgroup_generated.h"

namespace img::show {
namespace {

using model::Process;

constexpr std::size_t kDeepestGroup = 64;  // deeper ones are not drawn: an image may nest for ever
constexpr std::size_t kLongestProperty = 120;

std::string joined(const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>* texts) {
  std::string all;
  for (flatbuffers::uoffset_t index = 0; texts != nullptr && index < texts->size(); ++index) {
    all += (index == 0 ? "" : ",") + texts->Get(index)->str();
  }
  return all.empty() ? "(unified)" : all;
}

void add_sets(Subject& subject, Page& page, const schema::CgroupEntry& cgroup) {
  static const std::vector<Column> kColumns = {
      {"set", "SET", Align::right}, {"controller", "CONTROLLER"}, {"path", "PATH"}};
  std::map<std::uint32_t, std::vector<std::uint64_t>> members;
  for (const Process& process : subject.tree().processes()) {
    if (process.cg_set != 0 && subject.is_chosen(process.pid)) {
      members[process.cg_set].push_back(process.pid);
    }
  }
  page.begin_table("memberships", kColumns);
  for (flatbuffers::uoffset_t at = 0; cgroup.sets() != nullptr && at < cgroup.sets()->size();
       ++at) {
    const schema::CgSetEntry& set = *cgroup.sets()->Get(at);
    for (flatbuffers::uoffset_t ctl = 0; set.ctls() != nullptr && ctl < set.ctls()->size(); ++ctl) {
      const schema::CgMemberEntry& member = *set.ctls()->Get(ctl);
      const bool unified = member.name()->size() == 0;
      page.row({Value::count(set.id()),
                Value::text(page.is_for_people() && unified ? "(unified)"
                                                            : member.name()->string_view()),
                Value::text(member.path()->string_view())});
    }
  }
  page.end_table();
  static const std::vector<Column> kMembers = {{"set", "SET", Align::right}, {"pids", "PROCESSES"}};
  page.begin_table("processes", kMembers);
  for (auto& [set, pids] : members) {
    page.row({Value::count(set), Value::numbers(std::move(pids))});
  }
  page.end_table();
}

const std::vector<Column> kGroupColumns = {
    {"controllers", ""},
    {"path", ""},
    {"property", ""},
    {"value", ""},
    {"", "DIRECTORIES AND PROPERTIES", Align::left, false, true}};

void add_directory(Page& page, const std::string& controllers, const std::string& above,
                   const schema::CgroupDirEntry& entry, Branch branch) {
  const std::string name = entry.dir_name()->str();
  const std::string path =
      above + (above.ends_with('/') ? "" : "/") + (name.starts_with('/') ? name.substr(1) : name);
  page.row({Value::text(controllers), Value::text(path), Value::none(), Value::none(),
            Value::text(name.empty() ? "/" : name)},
           branch);
  const std::size_t properties = entry.properties() == nullptr ? 0 : entry.properties()->size();
  const std::size_t children = entry.children() == nullptr ? 0 : entry.children()->size();
  for (std::size_t at = 0; at < properties; ++at) {
    const auto& property = *entry.properties()->Get(static_cast<unsigned>(at));
    std::string line = property.name()->str() + " = " + property.value()->str();
    if (line.size() > kLongestProperty) {
      line = line.substr(0, kLongestProperty) + "...";
    }
    page.row(
        {Value::text(controllers), Value::text(path), Value::text(property.name()->string_view()),
         Value::text(property.value()->string_view()), Value::text(line)},
        {branch.depth + 1, at + 1 == properties && children == 0});
  }
  for (std::size_t at = 0; at < children && branch.depth < kDeepestGroup; ++at) {
    add_directory(page, controllers, path, *entry.children()->Get(static_cast<unsigned>(at)),
                  {branch.depth + 1, at + 1 == children});
  }
}

void add_controllers(Page& page, const schema::CgroupEntry& cgroup) {
  page.begin_table("directories", kGroupColumns);
  const auto* controllers = cgroup.controllers();
  for (flatbuffers::uoffset_t at = 0; controllers != nullptr && at < controllers->size(); ++at) {
    const schema::CgControllerEntry& controller = *controllers->Get(at);
    const std::string names = joined(controller.cnames());
    const auto* dirs = controller.dirs();
    if (page.is_for_people()) {
      page.row({Value::none(), Value::none(), Value::none(), Value::none(), Value::text(names)});
    }
    for (flatbuffers::uoffset_t dir = 0; dirs != nullptr && dir < dirs->size(); ++dir) {
      add_directory(page, names, "", *dirs->Get(dir), {1, dir + 1 == dirs->size()});
    }
  }
  page.end_table();
}

}  // namespace

void show_cgroups(Subject& subject, Page& page) {
  page.begin("cgroups", "Control groups");
  if (!subject.has({Kind::cgroup, 0})) {
    page.say("No cgroup.img: every task was in CRIU's own set.");
  }
  subject.each<schema::CgroupEntry>({Kind::cgroup, 0},
                                    [&](const schema::CgroupEntry& cgroup, auto&) {
                                      add_sets(subject, page, cgroup);
                                      add_controllers(page, cgroup);
                                    });
  page.end();
}

}  // namespace img::show
