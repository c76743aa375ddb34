// SPDX-License-Identifier: MIT
#include "live/restore/cgroup_yard.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "libimg/base/text.h"
#include "live/procfs/cgroup_state.h"

namespace img::restore {
namespace {

constexpr std::string_view kNamed = "name=";
constexpr const char* kThaw = "thaw it first, or --cgroup here";
constexpr const char* kHint = "--cgroup here, or --cgroup PATH";

std::string name_of(const plan::Hierarchy& hierarchy) {
  const std::string& first = hierarchy.controllers.empty() ? "" : hierarchy.controllers.front();
  return "cgroup hierarchy " + (first.empty() ? "v2" : escaped(first));
}

bool is_v2(const plan::Hierarchy& hierarchy) {
  return hierarchy.controllers.empty() || hierarchy.controllers.front().empty();
}

long configure(int context, unsigned command, const char* key, const char* value) {
  return ::syscall(SYS_fsconfig, context, command, key, value, 0);
}

long choose(int context, const std::string& controller) {
  if (controller.starts_with(kNamed)) {
    const long none = configure(context, FSCONFIG_SET_FLAG, "none", nullptr);
    const std::string name = controller.substr(kNamed.size());
    return none < 0 ? none : configure(context, FSCONFIG_SET_STRING, "name", name.c_str());
  }
  return configure(context, FSCONFIG_SET_FLAG, controller.c_str(), nullptr);
}

// What the kernel means by it; empty where its own words do.
const char* meaning_of(int why) {
  switch (why) {
    case EBUSY: return "controllers are enabled for the groups below it, so it holds no tasks";
    case EOPNOTSUPP: return "it is threaded, or among groups that are";
    case ENOSPC: return "it has no CPUs or memory nodes (cpuset.cpus, cpuset.mems)";
    default: return "";
  }
}

Result<void> write_id(int folder, const char* file, pid_t id, const std::string& thing) {
  const UniqueFd members(::openat(folder, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  const std::string text = std::to_string(id);
  if (!members.is_open() || ::write(members.get(), text.data(), text.size()) < 0) {
    Error error = sys_error(errno, thing, "move task " + text + " there");
    if (const char* meaning = meaning_of(errno); *meaning != '\0') {
      error.why = meaning;
      error.hint = kHint;
    }
    return fail(std::move(error));
  }
  return {};
}

Result<void> refuse_frozen(int folder, const std::string& thing) {
  return procfs::is_frozen_group(folder)
             ? fail(Fault::conflict, thing, "frozen", "nothing in it would run", kThaw)
             : Result<void>();
}

}  // namespace

Result<int> CgroupYard::root_of(std::uint32_t index) {
  if (const auto known = roots_.find(index); known != roots_.end()) {
    return known->second.get();
  }
  const plan::Hierarchy& hierarchy = hierarchies_.at(index);
  const char* type = is_v2(hierarchy) ? "cgroup2" : "cgroup";
  const UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)));
  long result = context.is_open() ? 0 : -1;
  if (!is_v2(hierarchy)) {
    for (const std::string& controller : hierarchy.controllers) {
      result = result < 0 ? result : choose(context.get(), controller);
    }
  }
  result = result < 0 ? result : configure(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr);
  UniqueFd root(result < 0 ? -1
                           : static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC,
                                                        MOUNT_ATTR_NOSUID)));
  if (!root.is_open()) {
    Error error = sys_error(errno, name_of(hierarchy), "open");
    error.hint = kHint;
    return fail(std::move(error));
  }
  return roots_.emplace(index, std::move(root)).first->second.get();
}

Result<UniqueFd> CgroupYard::open(std::uint32_t hierarchy, const std::string& path) {
  IMG_ASSIGN(const int root, root_of(hierarchy));
  const std::string below = "." + path;
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  UniqueFd folder(static_cast<int>(::syscall(SYS_openat2, root, below.c_str(), &how, sizeof how)));
  if (!folder.is_open()) {
    Error error = sys_error(errno, name_of(hierarchies_.at(hierarchy)), "group " + escaped(path));
    error.fault = Fault::missing;
    error.hint = kHint;
    return fail(std::move(error));
  }
  return folder;
}

Result<void> CgroupYard::check(const plan::CgroupPresent& expected) {
  IMG_ASSIGN(const UniqueFd folder, open(expected.hierarchy, expected.path));
  return refuse_frozen(folder.get(), "cgroup " + escaped(expected.path));
}

Result<void> CgroupYard::move(const plan::MoveToCgroup& step, pid_t tid) {
  IMG_ASSIGN(const UniqueFd folder, open(step.hierarchy, step.path));
  const bool v2 = is_v2(hierarchies_.at(step.hierarchy));
  const char* file = !step.is_thread ? "cgroup.procs" : v2 ? "cgroup.threads" : "tasks";
  return write_id(folder.get(), file, tid, "cgroup " + escaped(step.path));
}

Result<void> move_to_folder(const std::string& folder, pid_t pid) {
  const UniqueFd group(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct statfs system {};
  const bool found = group.is_open() && ::fstatfs(group.get(), &system) == 0;
  if (found && system.f_type != CGROUP2_SUPER_MAGIC && system.f_type != CGROUP_SUPER_MAGIC) {
    return fail(Fault::usage, escaped(folder), "--cgroup", "it is not a cgroup");
  }
  if (!found) {
    return fail(sys_error(errno, escaped(folder), "open"));
  }
  return pid == 0 ? refuse_frozen(group.get(), escaped(folder))
                  : write_id(group.get(), "cgroup.procs", pid, escaped(folder));
}

}  // namespace img::restore
