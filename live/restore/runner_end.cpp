// SPDX-License-Identifier: MIT
// The last steps of a plan: what is over becomes a zombie, the others get what they go on with, and
// are let go.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "live/arch/x86_64/tiles.h"
#include "live/procfs/proc_dir.h"
#include "live/restore/runner.h"
#include "live/restore/task_error.h"

namespace img::restore {
namespace {

constexpr std::chrono::seconds kStopTime{10};
constexpr useconds_t kPause = 100;
constexpr std::uint64_t kRseqSection = 8;  // offset of rseq_cs in struct rseq
constexpr std::uint64_t kNameBytes = 16;
constexpr std::uint64_t kTilesAt = trace::Workbench::kCodeBytes / 2;  // behind the stub

// Whether the task has gone to sleep in its call, or its call is over.
bool is_asleep(MadeTask& task, trace::Deadline deadline) {
  while (trace::Clock::now() < deadline) {
    const auto stop = task.tracee.poll();
    const auto dir = procfs::ProcDir::open(task.tid);
    const auto stat = dir ? dir->stat() : Result<procfs::Stat>(fail(dir.error()));
    if (!stop || *stop || !stat || stat->state == 'S') {
      return true;
    }
    ::usleep(kPause);
  }
  return false;
}

}  // namespace

Result<void> Runner::end_task(std::uint32_t id, std::uint64_t call, std::uint64_t arg) {
  IMG_ASSIGN(MadeTask * task, tasks_.find(id));
  IMG_ASSIGN(arch::Registers registers, task->tracee.registers());
  registers = arch::start_single(registers, plan_.workbench, call, {arg});
  IMG_TRY(task->tracee.set_registers(registers));
  IMG_TRY(task->tracee.set_signal_mask(0));
  task->tracee.drop_signal();
  task->tracee.release();
  tasks_.forget(id);
  return {};
}

Result<void> Runner::wait_in(plan::Actor parent, pid_t pid, bool reap) {
  IMG_ASSIGN(MadeTask * task, tasks_.find(parent.tid));
  const std::uint64_t how = WEXITED | (reap ? 0 : WNOWAIT) | __WALL;
  IMG_ASSIGN(const std::int64_t result,
             remote_.call(*task, SYS_waitid, {P_PID, static_cast<std::uint64_t>(pid), 0, how, 0},
                          signal_of(*task)));
  return must_succeed(result, static_cast<std::uint32_t>(pid), "wait for its end");
}

Result<void> Runner::step(const plan::EndHelper& helper) {
  IMG_ASSIGN(const MadeTask* task, tasks_.find(helper.pid));
  const pid_t pid = task->pid;
  IMG_TRY(end_task(helper.pid, SYS_exit_group, 0));
  return wait_in(helper.parent, pid, true);
}

Result<void> Runner::step(const plan::BecomeZombie& zombie) {
  IMG_ASSIGN(MadeTask * task, tasks_.find(zombie.pid));
  const pid_t pid = task->pid;
  std::array<std::byte, kNameBytes> name{};
  std::memcpy(name.data(), zombie.name.data(), std::min(zombie.name.size(), name.size() - 1));
  IMG_ASSIGN(const std::int64_t named,
             remote_.call(*task, SYS_prctl, {PR_SET_NAME, remote_.data_address(), 0, 0, 0},
                          signal_of(*task), name));
  IMG_TRY(must_succeed(named, zombie.pid, "name it"));
  const rlimit no_core{0, 0};
  if (::prlimit(pid, RLIMIT_CORE, &no_core, nullptr) < 0) {
    return fail(sys_error(errno, task_name(zombie.pid), "forbid a core dump"));
  }
  const int signal = static_cast<int>(zombie.exit_code & 0x7f);
  if (signal != 0) {
    // We may ignore it, and it was born like us. The one that cannot be set needs it least.
    const std::array<std::byte, 32> by_default{};
    IMG_TRY(remote_.call(*task, SYS_rt_sigaction,
                         {static_cast<std::uint64_t>(signal), remote_.data_address(), 0, 8},
                         signal_of(*task), by_default));
    IMG_TRY(end_task(zombie.pid, SYS_pause, 0));
    ::kill(pid, signal);
  } else {
    IMG_TRY(end_task(zombie.pid, SYS_exit_group, zombie.exit_code >> 8 & 0xff));
  }
  Result<void> is_over = wait_in(zombie.parent, pid, false);
  if (!is_over) {
    ::kill(pid, SIGKILL);  // it has not ended as the image says, and nobody else would do it
  }
  return is_over;
}

Result<void> Runner::step(const plan::ForgetChildren& forget) {
  struct {
    std::uint64_t set = std::uint64_t{1} << (SIGCHLD - 1);
    std::array<std::uint64_t, 2> no_time{};
  } block;
  IMG_ASSIGN(MadeTask * task, tasks_.find(forget.actor.tid));
  const std::uint64_t at = remote_.data_address();
  IMG_ASSIGN(const std::int64_t result,
             remote_.call(*task, SYS_rt_sigtimedwait, {at, 0, at + 8, 8}, signal_of(*task),
                          std::as_bytes(std::span(&block, 1))));
  return result == -EAGAIN ? Result<void>() : must_succeed(result, task->id, "forget SIGCHLD");
}

// A rest that is over before it could be interrupted was too short to matter.
Result<void> Runner::step(const plan::BeginCall& begin) {
  IMG_ASSIGN(MadeTask * task, tasks_.find(begin.tid));
  IMG_TRY(remote_.begin(*task, signal_of(*task)));  // the stub is that thread's now
  IMG_ASSIGN(const arch::Registers now, task->tracee.registers());
  const auto& args = begin.args;
  const std::uint64_t end_of_call = std::uint64_t{1} << (signal_of(*task) - 1);
  IMG_TRY(task->tracee.set_signal_mask(~end_of_call));
  IMG_TRY(task->tracee.set_registers(arch::start_single(
      now, plan_.workbench, begin.number, {args[0], args[1], args[2], args[3], 0, 0})));
  IMG_TRY(task->tracee.resume());
  if (!is_asleep(*task, trace::Clock::now() + kStopTime)) {
    return fail(Fault::limit, task_name(begin.tid), "begin the call that it was in",
                "it does not sleep");
  }
  if (!task->tracee.is_stopped()) {
    IMG_TRY(task->tracee.bring_to_stop(trace::Clock::now() + kStopTime));
  }
  IMG_ASSIGN(const arch::Registers stopped, task->tracee.registers());
  task->is_past_call = arch::restart_of(stopped) != arch::Restart::restart_block;
  task->tracee.drop_signal();
  return {};
}

Result<void> Runner::step(const plan::UseTiles& use) {
  IMG_ASSIGN(MadeTask * task, tasks_.find(use.tid));
  const std::uint64_t at = plan_.workbench + kTilesAt;
  IMG_TRY(task->memory->overwrite(at, arch::tile_code()));
  IMG_ASSIGN(arch::Registers registers, task->tracee.registers());
  registers = arch::start_single(registers, plan_.workbench, SYS_getpid, {});
  registers.ip = at;  // and ends with that call
  IMG_TRY(task->tracee.set_signal_mask(~std::uint64_t{0}));
  return task->tracee.run_one_call(registers, trace::Clock::now() + kStopTime);
}

Result<void> Runner::step(const plan::SetThread& thread) {
  IMG_ASSIGN(MadeTask * task, tasks_.find(thread.tid));
  const arch::Registers registers =
      task->is_past_call ? arch::after_call(thread.state.registers) : thread.state.registers;
  if (task->has_bench) {
    IMG_ASSIGN(const arch::Registers now, task->tracee.registers());
    IMG_TRY(
        task->tracee.run_one_call(arch::start_single(now, plan_.workbench, SYS_munmap,
                                                     {plan_.workbench, trace::Workbench::kBytes}),
                                  trace::Clock::now() + kStopTime));
    for (MadeTask* other : tasks_.threads(task->pid)) {
      other->has_bench = false;
    }
  }
  if (thread.rseq_cs != 0) {
    IMG_TRY(task->memory->overwrite(thread.rseq + kRseqSection,
                                    std::as_bytes(std::span(&thread.rseq_cs, 1))));
  }
  if (thread.dispatch) {
    IMG_TRY(task->tracee.set_user_dispatch({thread.dispatch->mode, thread.dispatch->selector,
                                            thread.dispatch->offset, thread.dispatch->bytes}));
  }
  IMG_TRY(task->tracee.set_xstate(thread.state.xstate));
  IMG_TRY(task->tracee.set_signal_mask(thread.mask));
  IMG_TRY(task->tracee.set_registers(registers));
  task->tracee.drop_signal();
  return {};
}

Result<void> Runner::release(const plan::LetGo::Process& process) {
  IMG_ASSIGN(MadeTask * leader, tasks_.find(process.pid));
  const pid_t pid = leader->pid;
  if (process.stop_signal != 0 && ::kill(pid, process.stop_signal) < 0) {
    return fail(sys_error(errno, task_name(process.pid), "stop it"));
  }
  for (MadeTask* thread : tasks_.threads(pid)) {
    thread->tracee.release();
    tasks_.forget(thread->id);
  }
  const trace::Deadline deadline = trace::Clock::now() + kStopTime;
  // Of an orphaned group the kernel stops nobody by a terminal's signals.
  const trace::Deadline insist = trace::Clock::now() + std::chrono::milliseconds(5);
  bool has_insisted = process.stop_signal == SIGSTOP;
  while (process.stop_signal != 0) {
    IMG_ASSIGN(const auto dir, procfs::ProcDir::open(pid));
    IMG_ASSIGN(const procfs::Stat stat, dir.stat());
    if (stat.is_stopped() || stat.is_zombie()) {
      return {};
    }
    if (!has_insisted && trace::Clock::now() > insist) {
      ::kill(pid, SIGSTOP);
      has_insisted = true;
    }
    if (trace::Clock::now() > deadline) {
      return fail(Fault::limit, task_name(process.pid), "stop it", "it did not stop in time");
    }
    ::usleep(100);
  }
  return {};
}

Result<void> Runner::step(const plan::LetGo& go) {
  if (!guardian_.is_watching()) {
    IMG_TRY(guardian_.watch(tasks_.processes()));
  }
  for (const plan::LetGo::Process& process : go.processes) {
    IMG_TRY(release(process));
  }
  return {};
}

}  // namespace img::restore
