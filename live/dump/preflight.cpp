// SPDX-License-Identifier: MIT
#include "live/dump/preflight.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "libimg/base/image_name.h"
#include "libimg/base/text.h"
#include "live/dump/frozen_groups.h"
#include "live/dump/session.h"
#include "live/trace/refusal.h"

namespace img::dump {
namespace {

std::string name_of(const procfs::Stat& stat) {
  return "process " + std::to_string(stat.pid) + " (" + escaped(stat.comm) + ")";
}

/// All pids of the tree below `root`, as it is now.
std::vector<pid_t> tree_of(pid_t root) {
  std::vector<pid_t> out = {root};
  std::set<pid_t> seen = {root};
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto process = procfs::ProcDir::open(out[i]);
    const auto children =
        process ? process->children() : Result<std::vector<std::int32_t>>(fail(process.error()));
    for (std::size_t child = 0; children && child < children->size(); ++child) {
      if (seen.insert((*children)[child]).second) {
        out.push_back((*children)[child]);
      }
    }
  }
  return out;
}

/// Someone who has this database open could hold its lock, and would hold it for ever.
void refuse_users_of(const std::string& database, const std::vector<pid_t>& tree,
                     std::vector<state::Refusal>& out) {
  struct stat wanted {};
  if (::stat(database.c_str(), &wanted) < 0) {
    return;  // a store that is still to be made
  }
  for (const pid_t pid : tree) {
    const auto process = procfs::ProcDir::open(pid);
    const auto fds =
        process ? process->numbers("fd") : Result<std::vector<std::int32_t>>(fail(process.error()));
    for (std::size_t i = 0; fds && i < fds->size(); ++i) {
      struct stat its {};
      const std::string file = "fd/" + std::to_string((*fds)[i]);
      if (::fstatat(process->fd(), file.c_str(), &its, 0) == 0 && its.st_ino == wanted.st_ino &&
          its.st_dev == wanted.st_dev) {
        const auto stat = process->stat();
        out.push_back(state::refusal(state::Piece::uses_store,
                                     stat ? name_of(*stat) : "process " + std::to_string(pid), {},
                                     "dump into another store"));
        break;
      }
    }
  }
}

}  // namespace

Result<void> check_capabilities() {
  constexpr int kSysPtrace = 19;
  constexpr int kSysAdmin = 21;
  constexpr int kCheckpointRestore = 40;
  IMG_ASSIGN(const auto self, procfs::ProcDir::open(::getpid()));
  IMG_ASSIGN(const procfs::Status status, self.status());
  const auto has = [&](int capability) { return (status.cap_effective >> capability & 1) != 0; };
  const auto missing = [](std::string name, std::string what_for) {
    return fail(Fault::denied, "capability " + name, "missing", std::move(what_for),
                "run as root, or with this capability");
  };
  if (!has(kSysPtrace)) {
    return missing("CAP_SYS_PTRACE", "to stop and read processes");
  }
  if (!has(kSysAdmin) && !has(kCheckpointRestore)) {
    return missing("CAP_CHECKPOINT_RESTORE", "to see what is mapped");
  }
  return {};
}

Result<std::string> series_of(pid_t root) {
  IMG_ASSIGN(const auto process, procfs::ProcDir::open(root));
  IMG_ASSIGN(const procfs::Stat stat, process.stat());
  return sanitised_name(stat.comm);
}

Result<std::vector<state::Refusal>> reasons_against(const Preflight& asked) {
  IMG_ASSIGN(const auto root, procfs::ProcDir::open(asked.root));
  IMG_ASSIGN(const procfs::Stat stat, root.stat());
  if (stat.is_zombie() && stat.threads <= 1) {
    return fail(Fault::gone, name_of(stat), "dump", "it has ended already");
  }
  IMG_ASSIGN(const procfs::Status status, root.status());
  if (status.tgid != status.pid) {
    return std::vector{state::refusal(
        state::Piece::thread_of_another, "task " + std::to_string(asked.root),
        "of process " + std::to_string(status.tgid), "-t " + std::to_string(status.tgid))};
  }
  std::vector<state::Refusal> out =
      stat.is_kernel_thread() ? trace::refusals_of(root) : trace::refusals_in_tree(asked.root);
  if (!asked.shell_job && stat.session != stat.pid && out.empty()) {
    out.push_back(state::refusal(state::Piece::shell_job, name_of(stat), {},
                                 "--shell-job, if the restore is given the terminal too"));
  }
  const std::vector<pid_t> tree = tree_of(asked.root);
  refuse_frozen(tree, out);
  refuse_users_of(asked.store + "/data.mdb", tree, out);
  return out;
}

}  // namespace img::dump
