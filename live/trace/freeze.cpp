// SPDX-License-Identifier: MIT
#include "live/trace/freeze.h"

#include <signal.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "live/trace/cgroup_freezer.h"
#include "live/trace/refusal.h"
#include "live/trace/thread_freezer.h"

namespace img::trace {
namespace {

constexpr std::size_t kMaxPasses = 1000;
constexpr int kQuietPasses = 2;

class Freezer {
 public:
  explicit Freezer(const FreezeOptions& options) : options_(options), threads_(options) {}

  Result<FrozenTree> run(pid_t root) {
    if (!options_.cgroup.empty()) {
      IMG_TRY(seize_group());
    }
    IMG_TRY(freeze_below(root, 0));
    if (tree_.processes.empty()) {
      return fail(Fault::gone, "process " + std::to_string(root), "", "no such process");
    }
    if (tree_.processes[0].state == TaskState::zombie) {
      return fail(Fault::gone, name_of(tree_.processes[0].stat), "", "it has ended already");
    }
    IMG_TRY(read_again());
    IMG_TRY(finish());
    return std::move(tree_);
  }

 private:
  // A task of a frozen v1 group stops only when it is thawed, one of a v2 group at once; seized and
  // thawed, both are stopped without having run.
  Result<void> seize_group() {
    IMG_ASSIGN(const CgroupFreezer freezer,
               CgroupFreezer::freeze(options_.cgroup, Clock::now() + options_.timeout));
    for (const pid_t pid : freezer.members()) {
      const auto process = procfs::ProcDir::open(pid);
      const auto stat = process ? process->stat() : Result<procfs::Stat>(fail(process.error()));
      const auto threads =
          process ? process->threads() : Result<std::vector<pid_t>>(fail(process.error()));
      if (!stat || !threads || is_vfork_child(*stat)) {
        continue;
      }
      for (const pid_t tid : *threads) {
        threads_.seize_early(tid);
      }
    }
    return {};
  }

  // It must run, or its parent cannot stop.
  static bool is_vfork_child(const procfs::Stat& stat) {
    const auto shared = share_memory(stat.pid, stat.ppid);
    return shared && *shared;
  }

  // A process that is not there any more is no error: nothing is left of it to freeze.
  Result<void> freeze_below(pid_t pid, pid_t parent) {
    std::vector<std::pair<pid_t, pid_t>> todo = {{pid, parent}};
    while (!todo.empty()) {
      const auto [next, above] = todo.back();
      todo.pop_back();
      IMG_ASSIGN(const bool frozen, freeze_process(next, above));
      if (frozen) {
        const std::vector<pid_t> children = new_children(tree_.processes.back());
        for (auto child = children.rbegin(); child != children.rend(); ++child) {
          todo.emplace_back(*child, next);
        }
      }
    }
    return {};
  }

  // All of them are asked to stop at once, and do so while others are looked at.
  std::vector<pid_t> new_children(const FrozenProcess& process) {
    std::vector<pid_t> out;
    for (const Tracee& thread : process.threads) {
      const auto children = process.dir.children_of_thread(thread.tid());
      for (std::size_t i = 0; children && i < children->size(); ++i) {
        if (seen_.count((*children)[i]) == 0) {
          threads_.seize_early((*children)[i]);
          out.push_back((*children)[i]);
        }
      }
    }
    return out;
  }

  // False if it has vanished, or is no longer where it was seen.
  Result<bool> freeze_process(pid_t pid, pid_t parent) {
    auto dir = procfs::ProcDir::open(pid);
    if (!dir && dir.error().fault == Fault::gone) {
      return false;
    }
    if (!dir) {
      return fail(std::move(dir).error());
    }
    const auto stat = dir->stat();
    if (!stat || stat->is_dead() || (parent != 0 && stat->ppid != parent)) {
      return false;
    }
    std::vector<state::Refusal> reasons = refusals_of(*dir);
    if (!reasons.empty()) {
      return fail(std::move(reasons.front()));
    }
    FrozenProcess process{std::move(*dir), *stat, TaskState::alive, 0, {}};
    process.state = stat->is_zombie() ? TaskState::zombie : TaskState::alive;
    if (!stat->is_zombie()) {
      IMG_TRY(threads_.freeze(process));
      // Read by the descriptor of the process that was there before: had the number gone to
      // another one meanwhile, this would fail, and the other one be let go.
      const auto now = process.dir.stat();
      if (!now || (process.threads.empty() && !now->is_zombie())) {
        return false;
      }
      process.stat = *now;
      process.state = now->is_zombie() ? TaskState::zombie : TaskState::alive;
    }
    seen_.insert(pid);
    tree_.processes.push_back(std::move(process));
    return true;
  }

  // Orphans of the tree come to a subreaper in it, and a thread may have come with an exec. A list
  // of children may lack one while others end, so nothing new twice in a row is the end.
  Result<void> read_again() {
    for (int quiet = 0; quiet < kQuietPasses; ++tree_.passes) {
      if (tree_.passes == kMaxPasses) {
        return fail(Fault::limit, name_of(tree_.processes[0].stat), "freeze",
                    "something new was found every time");
      }
      IMG_ASSIGN(const bool more, read_once());
      quiet = more ? 0 : quiet + 1;
    }
    return {};
  }

  Result<bool> read_once() {
    bool more = false;
    for (std::size_t i = 0; i < tree_.processes.size(); ++i) {
      FrozenProcess& process = tree_.processes[i];
      if (process.state != TaskState::zombie) {
        IMG_ASSIGN(const bool threads, threads_.freeze(process));
        more = more || threads;
      }
      const pid_t pid = process.pid();
      for (const pid_t child : new_children(process)) {
        const std::size_t before = tree_.processes.size();
        IMG_TRY(freeze_below(child, pid));  // may move `process`
        more = more || tree_.processes.size() != before;
      }
    }
    return more;
  }

  Result<void> finish() {
    std::vector<pid_t> pids;
    for (FrozenProcess& process : tree_.processes) {
      if (process.state == TaskState::zombie) {
        process.threads.clear();
        continue;
      }
      IMG_TRY(finish_process(process));
      pids.push_back(process.pid());
    }
    std::vector<state::Refusal> shared = shared_address_spaces(std::move(pids));
    if (!shared.empty()) {
      return fail(std::move(shared.front()));
    }
    threads_.release_early();
    return {};
  }

  Result<void> finish_process(FrozenProcess& process) {
    std::sort(process.threads.begin(), process.threads.end(),
              [&](const Tracee& a, const Tracee& b) {
                return std::pair(a.tid() != process.pid(), a.tid()) <
                       std::pair(b.tid() != process.pid(), b.tid());
              });
    constexpr std::uint64_t kStopBit = std::uint64_t{1} << (SIGSTOP - 1);
    IMG_ASSIGN(const procfs::Status status, process.dir.status());
    for (Tracee& one : process.threads) {
      IMG_TRY(one.set_options({false, options_.suspend_seccomp}));
      IMG_TRY(one.registers());  // refuses a 32-bit task
      if (one.last_stop().kind == StopKind::group_stop) {
        process.state = TaskState::stopped;
        process.stop_signal = one.last_stop().code;
      }
    }
    if (process.state == TaskState::alive &&
        ((status.pending | status.shared_pending) & kStopBit) != 0) {
      process.state = TaskState::stopped;
      process.stop_signal = SIGSTOP;
    }
    return {};
  }

  const FreezeOptions& options_;
  ThreadFreezer threads_;
  FrozenTree tree_;
  std::set<pid_t> seen_;  // processes that are in the tree
};

}  // namespace

std::size_t FrozenTree::tasks() const {
  std::size_t out = 0;
  for (const FrozenProcess& process : processes) {
    out += process.threads.size();
  }
  return out;
}

Result<FrozenTree> freeze_tree(pid_t root, const FreezeOptions& options) {
  return Freezer(options).run(root);
}

}  // namespace img::trace
