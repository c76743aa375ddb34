// SPDX-License-Identifier: MIT
#include "live/restore/runner.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "libimg/base/file.h"
#include "libimg/base/text.h"
#include "live/procfs/proc_dir.h"
#include "live/restore/aio_ring.h"
#include "live/restore/contents.h"
#include "live/restore/stand_in.h"
#include "live/restore/task_error.h"

namespace img::restore {
namespace {

constexpr std::chrono::seconds kStopTime{10};
constexpr int kAttempts = 200;  // a pid is taken a moment longer than its task is seen
constexpr useconds_t kPause = 1000;
constexpr std::uint64_t kUserEnd = 0x7fff'ffff'f000;
constexpr std::uint64_t kThreadFlags =
    CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

// All that is not the workbench.
arch::CallRecord unmap(std::uint64_t start, std::uint64_t end) {
  arch::CallRecord record;
  record.call = SYS_munmap | arch::kMustSucceed;
  record.args = {start, end - start};
  return record;
}

}  // namespace

Result<pid_t> Runner::run() {
  for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
    if (options_.before_step) {
      IMG_TRY(options_.before_step(i));
    }
    IMG_TRY(run_step(plan_.steps[i]));
  }
  guardian_.stand_down();
  return root_;
}

Result<void> Runner::run_step(const plan::Step& one) {
  return std::visit([this](const auto& each) { return step(each); }, one);
}

int Runner::signal_of(const MadeTask& task) const {
  const auto found = plan_.signals.find(static_cast<std::uint32_t>(task.pid));
  return found == plan_.signals.end() ? SIGURG : found->second;
}

Result<void> Runner::step(const plan::Calls& calls) {
  if (calls.actor.is_restorer()) {
    return local_.run(calls.calls);
  }
  IMG_ASSIGN(MadeTask * task, tasks_.find(calls.actor.tid));
  return remote_.run(*task, calls.calls, signal_of(*task));
}

Result<pid_t> Runner::clone_in(MadeTask& parent, std::uint64_t flags, std::uint32_t id,
                               std::uint64_t exit_signal) {
  struct {
    clone_args args;
    pid_t wanted;
  } block{};
  const bool is_nameless = id > static_cast<std::uint32_t>(INT32_MAX);
  block.args.flags = flags;
  block.args.exit_signal = exit_signal;
  block.args.set_tid = is_nameless ? 0 : remote_.data_address() + offsetof(decltype(block), wanted);
  block.args.set_tid_size = is_nameless ? 0 : 1;
  block.wanted = static_cast<pid_t>(id);
  for (int attempt = 0;; ++attempt) {
    IMG_ASSIGN(const std::int64_t made,
               remote_.call(parent, SYS_clone3, {remote_.data_address(), sizeof block.args},
                            signal_of(parent), std::as_bytes(std::span(&block, 1))));
    if (made == -EAGAIN) {
      return fail(Fault::limit, task_name(id), "make it", "there may be no more tasks",
                  "raise pids.max of its cgroup, or the limit of processes");
    }
    if (made != -EEXIST || attempt == kAttempts) {
      IMG_TRY(must_succeed(made, id, "make it"));
      return static_cast<pid_t>(made);
    }
    ::usleep(kPause);
  }
}

Result<void> Runner::adopt(MadeTask task) {
  MadeTask& kept = tasks_.add(std::move(task));
  IMG_ASSIGN(const trace::Stop stop, kept.tracee.wait(trace::Clock::now() + kStopTime));
  if (stop.is_end()) {
    return fail(Fault::gone, task_name(kept.id), "make it", "it has " + trace::describe(stop));
  }
  kept.tracee.drop_signal();
  return {};
}

Result<void> Runner::step(const plan::MakeTask& make) {
  if (make.parent.is_restorer()) {
    IMG_ASSIGN(MadeTask root, make_root(make.pid, remote_.bench(), options_.root));
    root_ = root.pid;
    tasks_.add(std::move(root));
    return options_.root_made ? options_.root_made(root_) : Result<void>();
  }
  IMG_ASSIGN(MadeTask * parent, tasks_.find(make.parent.tid));
  IMG_ASSIGN(const pid_t pid, clone_in(*parent, make.flags, make.pid, make.exit_signal));
  MadeTask task{make.pid, pid, pid, trace::Tracee::adopt(pid), nullptr, true};
  IMG_ASSIGN(trace::RemoteMemory memory, trace::RemoteMemory::open(pid));
  task.memory = std::make_shared<trace::RemoteMemory>(std::move(memory));
  return adopt(std::move(task));
}

Result<void> Runner::step(const plan::MakeThread& make) {
  IMG_ASSIGN(MadeTask * leader, tasks_.find(make.pid));
  IMG_ASSIGN(const pid_t tid, clone_in(*leader, kThreadFlags, make.tid, 0));
  return adopt({make.tid, tid, leader->pid, trace::Tracee::adopt(tid), leader->memory, true});
}

// rseq first: the kernel writes to it whenever the task runs, and it lies in what goes.
Result<void> Runner::step(const plan::ClearMemory& clear) {
  constexpr std::uint64_t kUnregister = 1;
  IMG_ASSIGN(MadeTask * task, tasks_.find(clear.actor.tid));
  const std::uint64_t bench = plan_.workbench;
  std::vector<arch::CallRecord> records;
  if (const auto rseq = task->tracee.rseq(); rseq && rseq->address != 0) {
    arch::CallRecord record;
    record.call = SYS_rseq | arch::kMustSucceed;
    record.args = {rseq->address, rseq->bytes, kUnregister, rseq->signature};
    records.push_back(record);
  }
  records.push_back(unmap(0, bench));
  records.push_back(unmap(bench + trace::Workbench::kBytes, kUserEnd));
  IMG_ASSIGN(trace::RemoteCall remote,
             trace::RemoteCall::begin_on(task->tracee, *task->memory, remote_.bench(),
                                         {task->pid, task->tid, signal_of(*task)}));
  IMG_TRY(remote.run(records));
  task->tracee.drop_signal();
  for (const arch::CallRecord& record : records) {
    IMG_TRY(must_succeed(record.result, task->id, "unmap what it was born with"));
  }
  return {};
}

Result<void> Runner::step(const plan::Fill& fill) {
  IMG_ASSIGN(MadeTask * task, tasks_.find(fill.pid));
  std::optional<FaultWindow> window;
  if (!fill.anonymous.empty()) {
    IMG_ASSIGN(window, FaultWindow::open(remote_, *task, signal_of(*task), fill.anonymous));
  }
  return fill_memory(image_, fill, {*task->memory, window ? &*window : nullptr, options_.copied});
}

Result<void> Runner::step(const plan::MoveToCgroup& move) {
  IMG_ASSIGN(const MadeTask* task, tasks_.find(move.tid));
  return yard_.move(move, task->tid);
}

Result<void> Runner::step(const plan::MakeAioRing& make) {
  IMG_ASSIGN(MadeTask * task, tasks_.find(make.actor.tid));
  return make_aio_ring(make, image_, remote_, *task, signal_of(*task));
}

// By /proc/self/map_files the very object is mapped again that two processes had from a common
// parent; that needs a capability, without which a memfd does.
Result<void> Runner::step(const plan::MakeSegment& make) {
  void* at = ::mmap(nullptr, make.bytes, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    return fail(sys_error(errno, "shared memory", "map it"));
  }
  std::array<char, 64> path{};
  const auto start = reinterpret_cast<std::uint64_t>(at);
  std::snprintf(path.data(), path.size(), "/proc/self/map_files/%lx-%lx", start,
                start + make.bytes);
  UniqueFd file(::open(path.data(), O_RDWR | O_CLOEXEC));
  ::munmap(at, make.bytes);
  if (!file.is_open()) {
    file.reset(::memfd_create("stasis", MFD_CLOEXEC));
    if (!file.is_open() || ::ftruncate(file.get(), static_cast<off_t>(make.bytes)) < 0) {
      return fail(sys_error(errno, "shared memory", "make a memfd for it"));
    }
  }
  IMG_ASSIGN(const int kept, keep(file.get()));
  results_.at(static_cast<std::size_t>(make.file)) = kept;
  return {};
}

Result<int> Runner::keep(int descriptor) const {
  const int kept = ::fcntl(descriptor, F_DUPFD_CLOEXEC, static_cast<int>(plan_.base));
  if (kept < 0) {
    return fail(sys_error(errno, "descriptor", "keep it above those of the tasks"));
  }
  return kept;
}

// The kernel hands out the lowest free number: those below are taken until it is this one's turn.
Result<void> Runner::step(const plan::OpenTerminal& open) {
  std::vector<UniqueFd> below;
  const std::string name = "/dev/pts/" + std::to_string(open.index);
  for (;;) {
    UniqueFd master(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    unsigned number = 0;
    if (!master.is_open() || ::ioctl(master.get(), TIOCGPTN, &number) < 0) {
      return fail(sys_error(errno, name, "make a terminal"));
    }
    if (number == open.index) {
      IMG_ASSIGN(const int kept, keep(master.get()));
      results_.at(static_cast<std::size_t>(open.slot)) = kept;
      return {};
    }
    if (number > open.index) {
      return fail(Fault::conflict, name, "make a terminal", "its number is taken",
                  "end who has it, or restore where a devpts of its own is mounted on /dev/pts");
    }
    below.push_back(std::move(master));
  }
}

Result<void> Runner::step(const plan::MakeStandIn& make) {
  IMG_ASSIGN(const pid_t made, make_stand_in(make.pid));
  results_.at(static_cast<std::size_t>(make.slot)) = made;
  return {};
}

Result<void> Runner::step(const plan::EndStandIn& end) {
  return end_stand_in(descriptor(end.slot));
}

Result<void> Runner::step(const plan::FillFile& fill) {
  return fill_file(image_, fill, descriptor(fill.file), options_.copied);
}

Result<void> Runner::step(const plan::CopyPayload& copy) {
  return copy_payload(image_, copy, descriptor(copy.file));
}

Result<void> Runner::step(const plan::WriteProc& write) {
  IMG_ASSIGN(const MadeTask* task, tasks_.find(write.tid));
  const std::string path = "/proc/" + std::to_string(task->tid) + "/" + write.file;
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  const bool written =
      file.is_open() && ::write(file.get(), write.text.data(), write.text.size()) ==
                            static_cast<ssize_t>(write.text.size());
  if (!written && write.on_failure == plan::OnFailure::stop) {
    return fail(sys_error(errno, path, "write " + write.text));
  }
  return {};
}

}  // namespace img::restore
