// SPDX-License-Identifier: MIT
// What a person compares: each thing as a list of named texts, found in both images by its key.
#include <fmt/core.h>

#include <map>

#include "libimg/diff/parts.h"
#include "libimg/show/open_file_words.h"
#include "libimg/show/words.h"
#include "schema/files_generated.h"
#include "schema/sockets_generated.h"

namespace img::diff {
namespace {

using model::Process;
using show::Kind;
using show::Subject;

struct Thing {
  std::string words;
  std::vector<std::pair<const char*, std::string>> fields;
};
/// By what makes two of them the same one; `first` is how it is called.
using Things = std::map<std::pair<std::uint64_t, std::string>, Thing>;

Item item_of(Change change, std::uint32_t pid, const Things::value_type& entry) {
  return {change, pid, entry.first.second, entry.second.words};
}

void compare_things(const Things& before, const Things& after, std::uint32_t pid, Section section,
                    const Tell& tell) {
  for (const auto& entry : before) {
    const auto now = after.find(entry.first);
    if (now == after.end()) {
      tell(section, item_of(Change::gone, pid, entry));
      continue;
    }
    Item item = item_of(Change::changed, pid, *now);
    for (std::size_t i = 0; i < entry.second.fields.size(); ++i) {
      const auto& [name, text] = entry.second.fields[i];
      const std::string& other = now->second.fields[i].second;
      if (text != other) {
        item.fields.push_back({name, text, other});
      }
    }
    if (!item.fields.empty()) {
      tell(section, item);
    }
  }
  for (const auto& entry : after) {
    if (!before.contains(entry.first)) {
      tell(section, item_of(Change::added, pid, entry));
    }
  }
}

std::string_view state_name(model::TaskState state) {
  switch (state) {
    case model::TaskState::alive: return "alive";
    case model::TaskState::stopped: return "stopped";
    case model::TaskState::zombie: return "zombie";
    default: return "unknown";
  }
}

void add_process(Subject& subject, std::uint32_t pid, Things& things) {
  const Process* process = subject.tree().find(pid);
  if (process == nullptr) {
    return;
  }
  std::string threads;
  if (!process->is_zombie()) {
    for (const std::uint32_t tid : subject.tree().threads(*process)) {
      threads += (threads.empty() ? "" : " ") + std::to_string(tid);
    }
  }
  const std::string command = process->is_zombie() ? "" : subject.command_line(*process);
  things[{pid, std::to_string(pid)}] = {std::string(process->comm()),
                                        {{"name", std::string(process->comm())},
                                         {"command", command},
                                         {"parent", std::to_string(process->ppid)},
                                         {"group", std::to_string(process->pgid)},
                                         {"session", std::to_string(process->sid)},
                                         {"state", std::string(state_name(process->state))},
                                         {"threads", threads},
                                         {"exit_status", std::to_string(process->exit_code)},
                                         {"stop_signal", std::to_string(process->stop_signal)}}};
}

Things descriptors_of(Subject& subject, std::uint32_t pid) {
  Things things;
  const Process* process = subject.tree().find(pid);
  if (process == nullptr || !process->has_ids) {
    return things;
  }
  subject.each<schema::FdinfoEntry>(
      {Kind::fdinfo, process->ids.files}, [&](const schema::FdinfoEntry& entry, auto&) {
        const model::OpenFile* file = subject.open_files().find(entry.id());
        const show::FileWords words = file == nullptr
                                          ? show::FileWords{"missing", {}, {}, {}, {}, {}}
                                          : show::words_of(subject, *file);
        things[{entry.fd(), "fd " + std::to_string(entry.fd())}] = {
            words.type + " " + words.what,
            {{"type", words.type},
             {"what", words.what},
             {"access", words.access},
             {"position", words.position ? std::to_string(*words.position) : ""},
             {"close_on_exec", (entry.flags() & 1) != 0 ? "yes" : "no"}}};
      });
  return things;
}

std::uint64_t inode_of(const model::OpenFile& file) {
  using schema::FdTypes;
  if (const auto* inet = file.as<schema::InetSkEntry>(FdTypes::INETSK)) {
    return inet->ino();
  }
  if (const auto* local = file.as<schema::UnixSkEntry>(FdTypes::UNIXSK)) {
    return local->ino();
  }
  if (const auto* netlink = file.as<schema::NetlinkSkEntry>(FdTypes::NETLINKSK)) {
    return netlink->ino();
  }
  return file.id;
}

std::string socket_state(const model::OpenFile& file) {
  using schema::FdTypes;
  if (const auto* inet = file.as<schema::InetSkEntry>(FdTypes::INETSK)) {
    return show::socket_state(inet->state());
  }
  if (const auto* local = file.as<schema::UnixSkEntry>(FdTypes::UNIXSK)) {
    return show::socket_state(local->state());
  }
  return {};
}

Things sockets_of(Subject& subject) {
  using schema::FdTypes;
  Things things;
  for (const model::OpenFile& file : subject.open_files().files()) {
    if (file.type != FdTypes::INETSK && file.type != FdTypes::UNIXSK &&
        file.type != FdTypes::NETLINKSK && file.type != FdTypes::PACKETSK) {
      continue;
    }
    const show::FileWords words = show::words_of(subject, file);
    const std::uint64_t inode = inode_of(file);
    things[{inode, fmt::format("{} socket {}", model::type_name(file.type), inode)}] = {
        words.type + " " + words.what,
        {{"type", words.type},
         {"what", words.what},
         {"state", socket_state(file)},
         {"access", words.access}}};
  }
  return things;
}

Things mappings_in(Subject& subject, std::uint32_t pid) {
  Things things;
  if (!subject.has({Kind::mm, pid})) {
    return things;
  }
  for (const show::Mapping& mapping : show::places_of(subject, pid).all) {
    const std::string words = mapping_title(subject, mapping);
    const std::string protection =
        show::protection(mapping.protection) + (mapping.is_shared() ? "s" : "p");
    things[{mapping.start, fmt::format("{:#x}", mapping.start)}] = {
        protection + " " + words,
        {{"end", fmt::format("{:#x}", mapping.end)},
         {"protection", protection},
         {"what", words},
         {"offset", fmt::format("{:#x}", mapping.offset)}}};
  }
  return things;
}

}  // namespace

std::set<std::uint32_t> Pair::pids() const {
  std::set<std::uint32_t> all;
  for (Subject* subject : {&before, &after}) {
    for (const Process& process : subject->tree().processes()) {
      all.insert(process.pid);
    }
  }
  return all;
}

std::string title(const Pair& pair, std::uint32_t pid) {
  for (Subject* subject : {&pair.after, &pair.before}) {
    if (const Process* process = subject->tree().find(pid)) {
      return subject->title(*process);
    }
  }
  return std::to_string(pid);
}

std::string mapping_title(Subject& subject, const show::Mapping& mapping) {
  const std::string words = show::mapping_words(subject, mapping);
  return words.empty() ? "anonymous" : words;
}

void compare_processes(const Pair& pair, const Tell& tell) {
  for (const std::uint32_t pid : pair.pids()) {
    Things before;
    Things after;
    add_process(pair.before, pid, before);
    add_process(pair.after, pid, after);
    compare_things(before, after, pid, Section::processes, tell);
  }
}

void compare_descriptors(const Pair& pair, const Tell& tell) {
  for (const std::uint32_t pid : pair.pids()) {
    compare_things(descriptors_of(pair.before, pid), descriptors_of(pair.after, pid), pid,
                   Section::descriptors, tell);
  }
}

void compare_sockets(const Pair& pair, const Tell& tell) {
  compare_things(sockets_of(pair.before), sockets_of(pair.after), 0, Section::sockets, tell);
}

void compare_mappings(const Pair& pair, const Tell& tell) {
  for (const std::uint32_t pid : pair.pids()) {
    compare_things(mappings_in(pair.before, pid), mappings_in(pair.after, pid), pid,
                   Section::mappings, tell);
  }
}

}  // namespace img::diff
