// SPDX-License-Identifier: MIT
#include "live/trace/refusal.h"

#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "libimg/base/text.h"
#include "live/procfs/lists.h"

namespace img::trace {
namespace {

constexpr std::uint32_t kIoWorker = 0x10;  // PF_IO_WORKER
constexpr std::uint64_t kLargestAuxType = 0xffff;
constexpr std::string_view kIoUring = "anon_inode:[io_uring]";

long compare_memory(pid_t one, pid_t other) {
  return ::syscall(SYS_kcmp, one, other, KCMP_VM, 0, 0);
}

std::string name_of(const procfs::Stat& stat) {
  return "process " + std::to_string(stat.pid) + " (" + escaped(stat.comm) + ")";
}

class Review {
 public:
  Review(const procfs::ProcDir& process, const procfs::Stat& stat)
      : process_(process), stat_(stat) {}

  std::vector<state::Refusal> run() {
    if (stat_.is_kernel_thread()) {
      against(state::Piece::kernel_thread);
      return std::move(found_);
    }
    if (stat_.pid == ::getpid()) {
      against(state::Piece::dumper_itself, {}, "start it outside the tree");
    }
    threads();
    word_size();
    io_uring();
    return std::move(found_);
  }

 private:
  void against(state::Piece piece, std::string detail = {}, std::string hint = {}) {
    found_.push_back(state::refusal(piece, name_of(stat_), std::move(detail), std::move(hint)));
  }

  void threads() {
    const auto tids = process_.threads();
    if (!tids) {
      return;
    }
    if (stat_.is_zombie() && tids->size() > 1) {
      against(state::Piece::dead_leader);
    }
    for (const std::int32_t tid : *tids) {
      const auto thread = procfs::ProcDir::open_thread(stat_.pid, tid);
      if (!thread) {
        continue;
      }
      const auto stat = thread->stat();
      if (stat && (stat->flags & kIoWorker) != 0) {
        uses_io_uring_ = true;
      }
      const auto status = thread->status();
      // Ours where the kernel has seized it for us, as the child of a task that is being frozen.
      if (status && status->tracer != 0 && status->tracer != ::gettid()) {
        against(state::Piece::traced,
                "task " + std::to_string(tid) + " is traced by process " +
                    std::to_string(status->tracer),
                "end that tracer, a debugger or strace");
        return;
      }
    }
  }

  // Two words of a 32-bit task's auxv look like one of 64 bits, and too large for a type. An exec
  // that is under way shows a part of auxv, or nothing.
  void word_size() {
    const auto bytes = process_.read("auxv");
    if (!bytes || bytes->empty()) {
      return;
    }
    const auto auxv = procfs::parse_auxv(as_bytes(*bytes));
    if (!auxv || std::any_of(auxv->begin(), auxv->end(),
                             [](const auto& one) { return one.type > kLargestAuxType; })) {
      against(state::Piece::word_size);
    }
  }

  void io_uring() {
    const auto fds = process_.numbers("fd");
    for (std::size_t i = 0; fds && i < fds->size() && !uses_io_uring_; ++i) {
      const auto target = process_.link(("fd/" + std::to_string((*fds)[i])).c_str());
      uses_io_uring_ = target && *target == kIoUring;
    }
    if (uses_io_uring_) {
      against(state::Piece::io_uring);
    }
  }

  const procfs::ProcDir& process_;
  const procfs::Stat& stat_;
  std::vector<state::Refusal> found_;
  bool uses_io_uring_ = false;
};

}  // namespace

std::vector<state::Refusal> refusals_of(const procfs::ProcDir& process) {
  const auto stat = process.stat();
  return stat ? Review(process, *stat).run() : std::vector<state::Refusal>();
}

std::vector<state::Refusal> refusals_in_tree(pid_t root, std::size_t most) {
  std::vector<state::Refusal> found;
  std::vector<pid_t> todo = {root};
  std::set<pid_t> seen = {root};
  while (!todo.empty() && found.size() < most) {
    const pid_t pid = todo.back();
    todo.pop_back();
    const auto process = procfs::ProcDir::open(pid);
    if (!process) {
      continue;
    }
    for (state::Refusal& one : refusals_of(*process)) {
      found.push_back(std::move(one));
    }
    if (const auto children = process->children()) {
      std::copy_if(children->begin(), children->end(), std::back_inserter(todo),
                   [&](pid_t child) { return seen.insert(child).second; });
    }
  }
  return found;
}

Result<bool> share_memory(pid_t one, pid_t other) {
  const long order = compare_memory(one, other);
  if (order < 0) {
    return fail(sys_error(errno, "process " + std::to_string(one), "kcmp"));
  }
  return order == 0;
}

std::vector<state::Refusal> shared_address_spaces(std::vector<pid_t> pids) {
  // kcmp orders what it compares, so equal ones are neighbours when sorted.
  std::sort(pids.begin(), pids.end(),
            [](pid_t one, pid_t other) { return compare_memory(one, other) == 1; });
  std::vector<state::Refusal> found;
  for (std::size_t i = 1; i < pids.size(); ++i) {
    const auto shared = share_memory(pids[i - 1], pids[i]);
    if (shared && *shared) {
      const auto [first, second] = std::minmax(pids[i - 1], pids[i]);
      found.push_back(state::refusal(state::Piece::shared_memory_space,
                                     "process " + std::to_string(second),
                                     "it shares its memory with process " + std::to_string(first)));
    }
  }
  return found;
}

}  // namespace img::trace
