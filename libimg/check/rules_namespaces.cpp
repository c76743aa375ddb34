// SPDX-License-Identifier: MIT
// IDS-*, NS-*, UTS-1: shared kernel objects, and namespaces.
#include <fmt/core.h>

#include <algorithm>
#include <array>

#include "libimg/check/facts.h"

namespace img::check {
namespace {

using model::TaskIds;

// CLONE_NEW*.
constexpr std::uint32_t kNewTime = 0x00000080;
constexpr std::uint32_t kNewMount = 0x00020000;
constexpr std::uint32_t kNewCgroup = 0x02000000;
constexpr std::uint32_t kNewUts = 0x04000000;
constexpr std::uint32_t kNewIpc = 0x08000000;
constexpr std::uint32_t kNewUser = 0x10000000;
constexpr std::uint32_t kNewPid = 0x20000000;
constexpr std::uint32_t kNewNet = 0x40000000;

struct NamespaceType {
  const char* field;
  std::uint32_t flag;
  std::uint32_t TaskIds::*id;
};

constexpr std::array kTypes = {
    NamespaceType{"pid_ns_id", kNewPid, &TaskIds::pid_ns},
    NamespaceType{"net_ns_id", kNewNet, &TaskIds::net_ns},
    NamespaceType{"user_ns_id", kNewUser, &TaskIds::user_ns},
    NamespaceType{"ipc_ns_id", kNewIpc, &TaskIds::ipc_ns},
    NamespaceType{"uts_ns_id", kNewUts, &TaskIds::uts_ns},
    NamespaceType{"mnt_ns_id", kNewMount, &TaskIds::mnt_ns},
    NamespaceType{"cgroup_ns_id", kNewCgroup, &TaskIds::cgroup_ns},
    NamespaceType{"time_ns_id", kNewTime, &TaskIds::time_ns},
};

class NamespaceRules : public RuleSet {
 public:
  explicit NamespaceRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    switch (record.key.file.kind) {
      case Kind::ids: has_ids_file_.insert(static_cast<std::uint32_t>(record.key.file.id)); break;
      case Kind::core: credentials(record, *record.as<schema::CoreEntry>()); break;
      case Kind::userns: users(record, *record.as<schema::UsernsEntry>()); break;
      case Kind::utsns: host_name(record, *record.as<schema::UtsnsEntry>()); break;
      case Kind::timens: clocks(record, *record.as<schema::TimensEntry>()); break;
      case Kind::pidns: external_pid_ns_.insert(record.key.file.id); break;
      default: break;
    }
  }

  void finish() override {
    const auto processes = facts_.tree.processes();
    if (processes.empty()) {
      return;
    }
    for (const Process& process : processes) {
      if (process.has_ids && !process.is_zombie()) {
        kernel_objects(process);
        note_namespaces(process);
        nested(process);
        images(process);
      }
    }
    const Process& root = processes[0];
    if (root.has_ids && facts_.has_root_ids && root.ids.files == facts_.root_ids.files) {
      facts_.report.add(RuleId::IDS_2, at(root, "files_id", root.ids.files),
                        "the root task has the descriptor table of CRIU itself");
    }
    if (root.has_ids && facts_.has_root_ids && root.ids.pid_ns != facts_.root_ids.pid_ns &&
        root.pid != 1 && !external_pid_ns_.contains(root.ids.pid_ns)) {
      facts_.report.add(RuleId::PST_11,
                        facts_.at({Kind::pstree, 0}, 1, "pid", std::to_string(root.pid)),
                        "the root of a pid namespace of its own must be process 1");
    }
    for (const OpenFile& file : facts_.files.files()) {
      if (const auto* entry = file.as<schema::NsFileEntry>(FdTypes::NS)) {
        namespace_file(file, *entry);
      }
    }
    lone_tables();
  }

 private:
  Where at(const Process& process, const char* field, std::uint32_t value) const {
    const bool is_in_file = has_ids_file_.contains(process.pid);
    return facts_.at({is_in_file ? Kind::ids : Kind::core, process.pid}, 1,
                     is_in_file ? field : fmt::format("ids.{}", field), std::to_string(value));
  }

  void kernel_objects(const Process& process) {
    const std::tuple<const char*, std::uint32_t, bool> objects[] = {
        {"vm_id", process.ids.vm, true},
        {"files_id", process.ids.files, false},
        {"fs_id", process.ids.fs, true},
        {"sighand_id", process.ids.sighand, true},
    };
    for (const auto& [field, id, is_copied] : objects) {
      if (id == 0) {
        facts_.report.add(RuleId::IDS_1, at(process, field, id),
                          fmt::format("process {} has none: ids count from 1", process.pid));
        continue;
      }
      const auto [first, is_new] = holders_.try_emplace({field, id}, process.pid);
      if (!is_new && is_copied) {
        facts_.report.add(RuleId::IDS_4, at(process, field, id),
                          fmt::format("processes {} and {} share it, and get a copy each",
                                      first->second, process.pid));
      }
    }
  }

  /// As CRIU looks for a number: the first task that has it, the first type in that order.
  void note_namespaces(const Process& process) {
    for (const NamespaceType& type : kTypes) {
      if (process.ids.*type.id != 0) {
        namespaces_.try_emplace(process.ids.*type.id, &type);
      }
    }
  }

  /// Only mount and network namespaces may differ inside of the tree.
  void nested(const Process& process) {
    const Process* parent = facts_.tree.parent(process);
    if (parent == nullptr || !parent->has_ids || !facts_.has_root_ids) {
      return;
    }
    const TaskIds& root = facts_.tree.processes()[0].ids;
    for (const NamespaceType& type : kTypes) {
      if (type.flag == kNewCgroup || process.ids.*type.id == parent->ids.*type.id) {
        continue;
      }
      const bool may_nest = type.flag == kNewMount || type.flag == kNewNet;
      if (!may_nest || root.*type.id == facts_.root_ids.*type.id) {
        facts_.report.add(
            RuleId::IDS_3, at(process, type.field, process.ids.*type.id),
            fmt::format("process {} is in another namespace than its parent {} ({}), which can "
                        "only be made for the root task{}",
                        process.pid, parent->pid, parent->ids.*type.id, may_nest ? " first" : ""));
      }
    }
  }

  void images(const Process& process) {
    if (!facts_.has_root_ids || !facts_.ns_per_id) {
      return;
    }
    image(process, "uts_ns_id", &TaskIds::uts_ns, {Kind::utsns});
    image(process, "ipc_ns_id", &TaskIds::ipc_ns, {Kind::ipcns_var});
    image(process, "net_ns_id", &TaskIds::net_ns, {Kind::netns, Kind::netdev});
    image(process, "mnt_ns_id", &TaskIds::mnt_ns, {Kind::mountpoints});
    image(process, "user_ns_id", &TaskIds::user_ns, {Kind::userns});
    image(process, "time_ns_id", &TaskIds::time_ns, {Kind::timens});
  }

  void image(const Process& process, const char* field, std::uint32_t TaskIds::*id,
             std::initializer_list<Kind> any_of) {
    const std::uint32_t ns = process.ids.*id;
    if (ns == 0 || ns == facts_.root_ids.*id || !judged_.insert({field, ns}).second) {
      return;
    }
    const bool is_there =
        std::any_of(any_of.begin(), any_of.end(), [&](Kind kind) { return facts_.has(kind, ns); });
    if (!is_there && *any_of.begin() == Kind::netns) {
      // What --empty-ns net leaves: criu takes a new, empty one.
      facts_.report.add_plain(RuleId::IDS_5, Severity::note, facts_.at({Kind::netns, ns}),
                              fmt::format("is not there: process {} gets an empty network "
                                          "namespace ({} {})",
                                          process.pid, field, ns));
    } else if (!is_there) {
      facts_.report.add(RuleId::IDS_5, facts_.at({*any_of.begin(), ns}),
                        fmt::format("is not there, and process {} is in that namespace ({} {})",
                                    process.pid, field, ns));
    }
  }

  void namespace_file(const OpenFile& file, const schema::NsFileEntry& entry) {
    const auto known = namespaces_.find(entry.ns_id());
    if (known != namespaces_.end()) {
      if (known->second->flag != entry.ns_cflag()) {
        facts_.report.add(RuleId::NS_3,
                          facts_.at(file, "nsf.ns_cflag", fmt::format("0x{:x}", entry.ns_cflag())),
                          fmt::format("namespace {} is of another type ({})", entry.ns_id(),
                                      known->second->field));
      }
      return;
    }
    facts_.report.add(RuleId::NS_3, facts_.at(file, "nsf.ns_id", std::to_string(entry.ns_id())),
                      "no task is in that namespace");
  }

  void users(const Record& record, const schema::UsernsEntry& entry) {
    map(record, "uid_map", entry.uid_map(), mapped_users_);
    map(record, "gid_map", entry.gid_map(), mapped_groups_);
    ++user_namespaces_;
  }

  /// Ids are those that the task sees, so its namespace must have them.
  void credentials(const Record& record, const schema::CoreEntry& core) {
    const auto* creds = core.thread_core() == nullptr ? nullptr : core.thread_core()->creds();
    if (creds == nullptr || user_namespaces_ != 1) {
      return;
    }
    using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
    const std::tuple<const char*, std::uint32_t, const Ranges*> ids[] = {
        {"uid", creds->uid(), &mapped_users_},    {"euid", creds->euid(), &mapped_users_},
        {"suid", creds->suid(), &mapped_users_},  {"fsuid", creds->fsuid(), &mapped_users_},
        {"gid", creds->gid(), &mapped_groups_},   {"egid", creds->egid(), &mapped_groups_},
        {"sgid", creds->sgid(), &mapped_groups_}, {"fsgid", creds->fsgid(), &mapped_groups_},
    };
    for (const auto& [field, id, ranges] : ids) {
      const std::uint64_t value = id;
      if (std::none_of(ranges->begin(), ranges->end(), [&](const auto& range) {
            return range.first <= value && value < range.second;
          })) {
        facts_.report.add(
            RuleId::NS_2,
            facts_.at(record, fmt::format("thread_core.creds.{}", field), std::to_string(id)),
            "is no id that the user namespace of the image has");
      }
    }
  }

  void map(const Record& record, const char* field,
           const flatbuffers::Vector<flatbuffers::Offset<schema::UidGidExtent>>* lines,
           std::vector<std::pair<std::uint64_t, std::uint64_t>>& mapped) {
    constexpr std::size_t kMaxText = 4096;
    if (lines == nullptr || lines->size() == 0) {
      facts_.report.add(RuleId::NS_1, facts_.at(record, field, "0"), "maps no id at all");
      return;
    }
    std::size_t text = 0;
    auto& inside = mapped;
    inside.clear();
    std::vector<std::pair<std::uint64_t, std::uint64_t>> outside;
    for (const schema::UidGidExtent* line : *lines) {
      text += fmt::format("{} {} {}\n", line->first(), line->lower_first(), line->count()).size();
      const std::uint64_t count = line->count();
      if (count == 0 || line->first() + count > 0x100000000 ||
          line->lower_first() + count > 0x100000000) {
        facts_.report.add(RuleId::NS_1, facts_.at(record, field, std::to_string(count)),
                          "a line of no ids, or of more than there are");
      }
      inside.emplace_back(line->first(), line->first() + count);
      outside.emplace_back(line->lower_first(), line->lower_first() + count);
    }
    if (text > kMaxText) {
      facts_.report.add(RuleId::NS_1, facts_.at(record, field, std::to_string(text)),
                        "more text than the kernel takes (4096 bytes)");
    }
    for (auto* ranges : {&inside, &outside}) {
      std::sort(ranges->begin(), ranges->end());
      for (std::size_t i = 1; i < ranges->size(); ++i) {
        if ((*ranges)[i].first < (*ranges)[i - 1].second) {
          facts_.report.add(RuleId::NS_1,
                            facts_.at(record, field, std::to_string((*ranges)[i].first)),
                            "two lines map the same id");
        }
      }
    }
  }

  void host_name(const Record& record, const schema::UtsnsEntry& entry) {
    constexpr std::size_t kMaxName = 64;
    for (const auto& [field, name] :
         {std::pair{"nodename", entry.nodename()}, std::pair{"domainname", entry.domainname()}}) {
      if (name->size() > kMaxName) {
        facts_.report.add(RuleId::UTS_1, facts_.at(record, field, std::to_string(name->size())),
                          fmt::format("{} bytes, where the kernel takes 64", name->size()));
      }
    }
  }

  void clocks(const Record& record, const schema::TimensEntry& entry) {
    for (const auto& [field, time] :
         {std::pair{"monotonic", entry.monotonic()}, std::pair{"boottime", entry.boottime()}}) {
      if (time->tv_nsec() >= 1'000'000'000) {
        facts_.report.add(
            RuleId::NS_5,
            facts_.at(record, fmt::format("{}.tv_nsec", field), std::to_string(time->tv_nsec())),
            "more nanoseconds than a second has");
      } else if (static_cast<std::int64_t>(time->tv_sec()) < 0) {
        facts_.report.add(RuleId::NS_5,
                          facts_.at(record, fmt::format("{}.tv_sec", field),
                                    std::to_string(static_cast<std::int64_t>(time->tv_sec()))),
                          "a clock that stands before its boot");
      }
    }
  }

  /// Descriptor tables that no task has; where another table has two tasks, one of them may have
  /// lost its own.
  void lone_tables() {
    if (!facts_.is_whole(Kind::ids) || !facts_.is_whole(Kind::core)) {
      return;
    }
    std::unordered_map<std::uint32_t, std::uint32_t> first_holder;
    std::string sharers;
    std::unordered_set<std::uint32_t> tables;
    const Process* second = nullptr;
    for (const Process& process : facts_.tree.processes()) {
      if (!process.has_ids || process.is_zombie()) {
        continue;
      }
      tables.insert(process.ids.files);
      const auto [holder, is_new] = first_holder.try_emplace(process.ids.files, process.pid);
      if (!is_new && second == nullptr) {
        second = &process;
        sharers = fmt::format("processes {} and {} share table {}", holder->second, process.pid,
                              process.ids.files);
      }
    }
    bool has_lone = false;
    for (const FileKey file : facts_.present) {
      if (file.kind == Kind::fdinfo && !tables.contains(static_cast<std::uint32_t>(file.id))) {
        has_lone = true;
        facts_.report.add_plain(RuleId::SET_6, Severity::warning, facts_.at(file),
                                fmt::format("is the descriptor table of no task: a restore leaves "
                                            "it out{}{}",
                                            sharers.empty() ? "" : ", while ", sharers));
      }
    }
    if (has_lone && second != nullptr) {
      facts_.report.add_plain(
          RuleId::SET_6, Severity::warning, at(*second, "files_id", second->ids.files),
          fmt::format("{}, while another table is nobody's: this may be the wrong one", sharers));
    }
  }

  Facts& facts_;
  std::unordered_set<std::uint32_t> has_ids_file_;
  std::size_t user_namespaces_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> mapped_users_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> mapped_groups_;
  std::unordered_map<std::uint32_t, const NamespaceType*> namespaces_;
  std::set<std::uint64_t> external_pid_ns_;
  std::map<std::pair<std::string_view, std::uint32_t>, std::uint32_t> holders_;
  std::set<std::pair<std::string_view, std::uint32_t>> judged_;
};

}  // namespace

std::unique_ptr<RuleSet> namespace_rules(Facts& facts) {
  return std::make_unique<NamespaceRules>(facts);
}

}  // namespace img::check
