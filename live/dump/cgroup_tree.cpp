// SPDX-License-Identifier: MIT
#include "live/dump/cgroup_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "libimg/base/mountinfo.h"
#include "live/procfs/proc_dir.h"

namespace img::dump {
namespace {

constexpr std::size_t kMostDirectories = 4096;
constexpr std::size_t kMaxPropertyBytes = 1023;  // as much as CRIU keeps

struct ControllerProperties {
  std::string_view controller;
  std::vector<const char*> names;
};

const std::vector<ControllerProperties>& known_properties() {
  static const std::vector<ControllerProperties> kKnown = {
      {"cpu",
       {"cpu.shares", "cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.rt_period_us",
        "cpu.rt_runtime_us"}},
      {"memory",
       {"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.swappiness",
        "memory.soft_limit_in_bytes", "memory.move_charge_at_immigrate", "memory.oom_control",
        "memory.use_hierarchy", "memory.kmem.limit_in_bytes", "memory.kmem.tcp.limit_in_bytes"}},
      {"cpuset",
       {"cpuset.cpus", "cpuset.mems", "cpuset.memory_migrate", "cpuset.cpu_exclusive",
        "cpuset.mem_exclusive", "cpuset.mem_hardwall", "cpuset.memory_spread_page",
        "cpuset.memory_spread_slab", "cpuset.sched_load_balance",
        "cpuset.sched_relax_domain_level"}},
      {"blkio", {"blkio.weight"}},
      {"net_cls", {"net_cls.classid"}},
      {"net_prio", {"net_prio.ifpriomap"}},
      {"pids", {"pids.max"}},
      {"devices", {"devices.list"}},
  };
  return kKnown;
}
constexpr std::array kOfEveryGroupV1 = {"cgroup.clone_children", "notify_on_release",
                                        "cgroup.procs", "tasks"};
constexpr std::array kOfEveryGroupV2 = {"cgroup.subtree_control", "cgroup.max.descendants",
                                        "cgroup.max.depth", "cgroup.freeze", "cgroup.type"};

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::string stripped(std::string text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\n'; };
  while (!text.empty() && is_blank(text.back())) {
    text.pop_back();
  }
  text.erase(text.begin(),
             std::find_if(text.begin(), text.end(), [&](char c) { return !is_blank(c); }));
  return text;
}

// What counts members means nothing later; "no limit" is written -1; of the state of the
// out-of-memory killer only the switch can be set.
std::string meaning_of(const std::string& name, std::string text) {
  if (name == "cgroup.procs" || name == "tasks") {
    return {};
  }
  constexpr std::string_view kDisable = "oom_kill_disable ";
  if (name == "memory.oom_control" && text.starts_with(kDisable)) {
    return text.substr(kDisable.size(), 1);
  }
  errno = 0;
  return std::strtoll(text.c_str(), nullptr, 10) == INT64_MAX ? "-1" : stripped(std::move(text));
}

bool holds(const Mount& mount, const std::string& controllers) {
  if (controllers.empty()) {
    return mount.type == "cgroup2";
  }
  const std::vector<std::string> options = words(mount.super_options);
  const std::vector<std::string> wanted = words(controllers);
  return mount.type == "cgroup" &&
         std::all_of(wanted.begin(), wanted.end(), [&](const std::string& one) {
           return std::find(options.begin(), options.end(), one) != options.end();
         });
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

Result<CgroupTree> CgroupTree::open(std::string controllers) {
  CgroupTree out(std::move(controllers));
  IMG_ASSIGN(const auto self, procfs::ProcDir::open(::getpid()));
  IMG_ASSIGN(const std::string text, self.read("mountinfo"));
  IMG_ASSIGN(const std::vector<Mount> mounts, parse_mountinfo(text));
  for (const Mount& mount : mounts) {
    if (holds(mount, out.controllers_)) {
      out.root_ = UniqueFd(::open(mount.mountpoint.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      out.mounted_ = mount.root == "/" ? "" : mount.root;
      if (out.root_.is_open()) {
        break;
      }
    }
  }
  return out;
}

void CgroupTree::read_properties(int directory, Directory& out) {
  std::vector<const char*> names;
  for (const std::string& controller : words(controllers_)) {
    for (const ControllerProperties& known : known_properties()) {
      if (known.controller == controller) {
        names.insert(names.end(), known.names.begin(), known.names.end());
      }
    }
  }
  if (controllers_.empty()) {
    names.insert(names.end(), kOfEveryGroupV2.begin(), kOfEveryGroupV2.end());
  } else {
    names.insert(names.end(), kOfEveryGroupV1.begin(), kOfEveryGroupV1.end());
  }
  for (const char* name : names) {
    const UniqueFd file(::openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    struct stat stat {};
    if (!file.is_open() || ::fstat(file.get(), &stat) < 0) {
      continue;  // not on this kernel, or not in a root group
    }
    std::string text(kMaxPropertyBytes, '\0');
    const ssize_t got = ::read(file.get(), text.data(), text.size());
    if (got < 0) {
      continue;
    }
    text.resize(static_cast<std::size_t>(got));
    const std::string value = meaning_of(name, std::move(text));
    is_threaded_ = is_threaded_ || std::strcmp(name, "tasks") == 0 ||
                   (std::strcmp(name, "cgroup.type") == 0 && value == "threaded");
    out.properties.push_back({name, value, stat.st_mode, stat.st_uid, stat.st_gid});
  }
}

Result<void> CgroupTree::add_one(int directory, const std::string& path) {
  if (directories_.size() == kMostDirectories) {
    return fail(Fault::limit, "cgroup " + path, "",
                "more than " + std::to_string(kMostDirectories) + " groups");
  }
  struct stat stat {};
  if (::fstat(directory, &stat) < 0) {
    return fail(sys_error(errno, "cgroup " + path, "stat"));
  }
  Directory& out = directories_[path];
  out = {stat.st_mode, stat.st_uid, stat.st_gid, {}};
  read_properties(directory, out);
  return {};
}

UniqueFd CgroupTree::folder(const std::string& path) const {
  if (!root_.is_open() || !path.starts_with(mounted_)) {
    return UniqueFd();
  }
  const std::string below = "." + path.substr(mounted_.size());
  return UniqueFd(::openat(root_.get(), below.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

Result<void> CgroupTree::add(const std::string& path, bool with_children) {
  if (!root_.is_open() || directories_.count(path) != 0 || !path.starts_with(mounted_)) {
    return {};
  }
  UniqueFd opened = folder(path);
  if (!opened.is_open()) {
    return errno == ENOENT ? Result<void>() : fail(sys_error(errno, "cgroup " + path, "open"));
  }
  IMG_TRY(add_one(opened.get(), path));
  if (!with_children) {
    return {};
  }
  const std::unique_ptr<DIR, CloseDirectory> list(::fdopendir(opened.release()));
  std::vector<std::string> children;
  while (const dirent* entry = list == nullptr ? nullptr : ::readdir(list.get())) {
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
      children.emplace_back(entry->d_name);
    }
  }
  for (const std::string& child : children) {
    IMG_TRY(add(path == "/" ? "/" + child : path + "/" + child, true));
  }
  return {};
}

// Directories are in the order of their paths, so those of one are behind it.
flatbuffers::Offset<schema::CgroupDirEntry> CgroupTree::write_directory(
    flatbuffers::FlatBufferBuilder& builder, Place& place, const std::string& above) const {
  const std::string& path = place->first;
  const Directory& directory = place->second;
  const std::string prefix = path == "/" ? path : path + "/";
  ++place;
  std::vector<flatbuffers::Offset<schema::CgroupDirEntry>> children;
  while (place != directories_.end() && place->first.starts_with(prefix)) {
    children.push_back(write_directory(builder, place, prefix));
  }
  std::vector<flatbuffers::Offset<schema::CgroupPropEntry>> properties;
  for (const Property& one : directory.properties) {
    const auto perms = schema::CreateCgroupPerms(builder, one.mode, one.uid, one.gid);
    const auto name = builder.CreateString(one.name);
    const auto value = builder.CreateString(one.value);
    properties.push_back(schema::CreateCgroupPropEntry(builder, name, value, perms));
  }
  const auto name = builder.CreateString(path.substr(std::min(above.size(), path.size())));
  const auto children_at = children.empty() ? 0 : builder.CreateVector(children);
  const auto properties_at = properties.empty() ? 0 : builder.CreateVector(properties);
  const auto perms =
      schema::CreateCgroupPerms(builder, directory.mode, directory.uid, directory.gid);
  return schema::CreateCgroupDirEntry(builder, name, children_at, properties_at, perms);
}

flatbuffers::Offset<schema::CgControllerEntry> CgroupTree::write(
    flatbuffers::FlatBufferBuilder& builder) const {
  std::vector<flatbuffers::Offset<flatbuffers::String>> names;
  for (const std::string& name : words(controllers_)) {
    names.push_back(builder.CreateString(name));
  }
  std::vector<flatbuffers::Offset<schema::CgroupDirEntry>> directories;
  for (Place place = directories_.begin(); place != directories_.end();) {
    directories.push_back(write_directory(builder, place, "/"));
  }
  const auto names_at = builder.CreateVector(names);
  const auto directories_at = directories.empty() ? 0 : builder.CreateVector(directories);
  schema::CgControllerEntryBuilder out(builder);
  out.add_cnames(names_at);
  out.add_dirs(directories_at);
  out.add_is_threaded(is_threaded_);
  return out.Finish();
}

}  // namespace img::dump
