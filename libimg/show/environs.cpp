// SPDX-License-Identifier: MIT
// namespaces, mounts: what surrounds the processes.
#include <fmt/core.h>

#include <map>

#include "libimg/show/views.h"
#include "libimg/show/words.h"
#include "schema/inventory_generated.h"
#include "schema/mounts_generated.h"
#include "schema/namespaces_generated.h"

namespace img::show {
namespace {

using model::Process;

struct NamespaceType {
  std::string_view name;
  std::uint32_t model::TaskIds::*id;
};
constexpr NamespaceType kNamespaces[] = {
    {"pid", &model::TaskIds::pid_ns},       {"net", &model::TaskIds::net_ns},
    {"ipc", &model::TaskIds::ipc_ns},       {"uts", &model::TaskIds::uts_ns},
    {"mnt", &model::TaskIds::mnt_ns},       {"user", &model::TaskIds::user_ns},
    {"cgroup", &model::TaskIds::cgroup_ns}, {"time", &model::TaskIds::time_ns},
};

std::string id_maps(const flatbuffers::Vector<flatbuffers::Offset<schema::UidGidExtent>>* maps) {
  std::string text;
  for (flatbuffers::uoffset_t at = 0; maps != nullptr && at < maps->size(); ++at) {
    const schema::UidGidExtent& map = *maps->Get(at);
    text +=
        fmt::format("{}{}->{}x{}", at == 0 ? "" : ",", map.first(), map.lower_first(), map.count());
  }
  return text;
}

/// What the image knows of a namespace besides its number.
std::string namespace_words(Subject& subject, std::string_view type, std::uint32_t id) {
  std::string words;
  if (type == "uts") {
    subject.each<schema::UtsnsEntry>({Kind::utsns, id}, [&](const schema::UtsnsEntry& uts, auto&) {
      words = fmt::format("host {}, domain {}", uts.nodename()->string_view(),
                          uts.domainname()->string_view());
    });
  } else if (type == "user") {
    subject.each<schema::UsernsEntry>(
        {Kind::userns, id}, [&](const schema::UsernsEntry& user, auto&) {
          words = "uid " + id_maps(user.uid_map()) + " gid " + id_maps(user.gid_map());
        });
  } else if (type == "pid") {
    subject.each<schema::PidnsEntry>({Kind::pidns, id}, [&](const schema::PidnsEntry& pid, auto&) {
      words = pid.ext_key() == nullptr ? "" : "external " + pid.ext_key()->str();
    });
  } else if (type == "time") {
    subject.each<schema::TimensEntry>(
        {Kind::timens, id}, [&](const schema::TimensEntry& time, auto&) {
          words = fmt::format("monotonic {} s, boottime {} s", time.monotonic()->tv_sec(),
                              time.boottime()->tv_sec());
        });
  } else if (type == "net") {
    std::size_t devices = 0;
    if (subject.has({Kind::netdev, id})) {
      subject.each<flatbuffers::Table>({Kind::netdev, id}, [&](auto&, auto&) { ++devices; });
      words = fmt::format("{} device{}", devices, devices == 1 ? "" : "s");
    }
  } else if (type == "mnt" && subject.has({Kind::mountpoints, id})) {
    std::size_t mounts = 0;
    subject.each<flatbuffers::Table>({Kind::mountpoints, id}, [&](auto&, auto&) { ++mounts; });
    words = fmt::format("{} mounts", mounts);
  }
  return words;
}

struct Mount {
  std::uint32_t id = 0;
  std::uint32_t parent = 0;
  std::vector<Value> cells;
  std::vector<std::size_t> children;
  bool is_child = false;
};

std::string_view fs_type(const schema::MntEntry& entry) {
  if (entry.fsname() != nullptr && entry.fsname()->size() != 0) {
    return entry.fsname()->string_view();
  }
  const auto type = static_cast<schema::Fstype>(entry.fstype());
  const char* name = schema::EnumNameFstype(type);
  return name == nullptr ? std::string_view() : std::string_view(name);
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}

std::string propagation(const schema::MntEntry& entry) {
  std::string words;
  if (entry.shared_id()) {
    words = fmt::format("shared:{}", *entry.shared_id());
  }
  if (entry.master_id()) {
    words += fmt::format("{}slave:{}", words.empty() ? "" : " ", *entry.master_id());
  }
  return words.empty() ? "private" : words;
}

const std::vector<Column> kMountColumns = {{"mnt_id", "ID", Align::right},
                                           {"parent_mnt_id", ""},
                                           {"mountpoint", ""},
                                           {"", "MOUNTED AT", Align::left, false, true},
                                           {"type", "TYPE"},
                                           {"source", "SOURCE"},
                                           {"root", "ROOT"},
                                           {"device", "DEVICE"},
                                           {"flags", "FLAGS"},
                                           {"propagation", "PROPAGATION"},
                                           {"external", "EXTERNAL"},
                                           {"options", "OPTIONS"}};

Mount mount_from(const schema::MntEntry& entry) {
  const bool external = entry.ext_key() != nullptr || entry.ext_mount().value_or(false);
  const std::string_view key =
      entry.ext_key() != nullptr ? entry.ext_key()->string_view() : entry.root()->string_view();
  Mount mount{entry.mnt_id(), entry.parent_mnt_id(), {}, {}, false};
  mount.cells = {Value::count(entry.mnt_id()),
                 Value::count(entry.parent_mnt_id()),
                 Value::text(entry.mountpoint()->string_view()),
                 Value::text(entry.mountpoint()->string_view()),
                 Value::text(lower(fs_type(entry))),
                 Value::text(entry.source()->string_view()),
                 Value::text(entry.root()->string_view()),
                 Value::text(device_text(entry.root_dev())),
                 Value::text(mount_flags(entry.flags() | entry.sb_flags().value_or(0))),
                 Value::text(propagation(entry)),
                 external ? Value::text(key) : Value::none(),
                 Value::text(entry.options()->string_view())};
  return mount;
}

/// Children below parents; a cycle of parents, which no namespace has, is shown flat at the end.
void add_mounts(Page& page, std::vector<Mount>& mounts) {
  std::unordered_map<std::uint32_t, std::size_t> by_id;
  for (std::size_t at = 0; at < mounts.size(); ++at) {
    by_id.try_emplace(mounts[at].id, at);
  }
  for (std::size_t at = 0; at < mounts.size(); ++at) {
    const auto parent = by_id.find(mounts[at].parent);
    if (parent != by_id.end() && parent->second != at) {
      mounts[parent->second].children.push_back(at);
      mounts[at].is_child = true;
    }
  }
  struct Step {
    std::size_t mount;
    Branch branch;
  };
  std::vector<bool> shown(mounts.size(), false);
  const auto add_below = [&](std::size_t root) {
    std::vector<Step> steps = {{root, {0, true}}};
    while (!steps.empty()) {
      const Step step = steps.back();
      steps.pop_back();
      if (shown[step.mount]) {
        continue;
      }
      shown[step.mount] = true;
      page.row(std::move(mounts[step.mount].cells), step.branch);
      const auto& children = mounts[step.mount].children;
      for (std::size_t at = children.size(); at-- > 0;) {
        steps.push_back({children[at], {step.branch.depth + 1, at + 1 == children.size()}});
      }
    }
  };
  for (const bool rooted : {true, false}) {
    for (std::size_t at = 0; at < mounts.size(); ++at) {
      if (!rooted || !mounts[at].is_child) {
        add_below(at);
      }
    }
  }
}

}  // namespace

void show_namespaces(Subject& subject, Page& page) {
  static const std::vector<Column> kColumns = {{"type", "TYPE"},
                                               {"id", "ID", Align::right},
                                               {"host", ""},
                                               {"", "WHOSE"},
                                               {"processes", "PROCESSES", Align::right},
                                               {"what", "WHAT"}};
  page.begin("namespaces", "Namespaces");
  if (subject.tree().processes().empty()) {
    page.say("No processes in the image.");
  }
  model::TaskIds host;
  subject.each<schema::InventoryEntry>({Kind::inventory, 0}, [&](const auto& inventory, auto&) {
    if (inventory.root_ids() != nullptr) {
      host = model::TaskIds::of(*inventory.root_ids());
    }
  });
  page.begin_table("namespaces", kColumns);
  for (const NamespaceType& type : kNamespaces) {
    std::map<std::uint32_t, std::size_t> members;
    for (const Process& process : subject.tree().processes()) {
      if (process.has_ids && subject.is_chosen(process.pid)) {
        ++members[process.ids.*type.id];
      }
    }
    for (const auto& [id, count] : members) {
      if (id == 0) {
        continue;
      }
      const bool is_host = id == host.*type.id;
      const std::string words = namespace_words(subject, type.name, id);
      page.row({Value::text(type.name), Value::count(id), Value::yes_no(is_host),
                Value::text(is_host ? "CRIU's own" : "the image's"), Value::count(count),
                words.empty() ? Value::none() : Value::text(words)});
    }
  }
  page.end_table();
  page.end();
}

void show_mounts(Subject& subject, Page& page) {
  page.begin("mounts", "Mounts");
  const auto files = subject.files_of(Kind::mountpoints);
  if (files.empty()) {
    page.say("No mounts: the processes were in CRIU's own mount namespace.");
  }
  page.begin_list("namespaces");
  for (const FileKey file : files) {
    std::vector<Mount> mounts;
    subject.each<schema::MntEntry>(
        file, [&](const schema::MntEntry& entry, auto&) { mounts.push_back(mount_from(entry)); });
    page.begin({}, fmt::format("Mount namespace {}", file.id));
    page.field("id", {}, Value::count(file.id));
    page.begin_table("mounts", kMountColumns);
    add_mounts(page, mounts);
    page.end_table();
    page.end();
  }
  page.end();
  page.end();
}

}  // namespace img::show
