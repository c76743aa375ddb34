// SPDX-License-Identifier: MIT
#include "live/plan/task.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>

#include "live/arch/x86_64/thread_info.h"
#include "live/plan/seccomp.h"
#include "live/plan/settings.h"
#include "live/plan/timers.h"

namespace img::plan {
namespace {

constexpr int kFirstRealTime = 32;
constexpr std::size_t kLongestComm = 15;
constexpr std::uint64_t kMembarrierCommands = 0x3ff;
// The commands of membarrier(2) that register, of those that use what was registered.
constexpr std::uint64_t kMembarrierRegister = MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED |
                                              MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED |
                                              MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE |
                                              MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ;

struct KernelSigaction {
  std::uint64_t handler, flags, restorer, mask;
};

std::string process_name(const TaskImage& task) {
  return "process " + std::to_string(task.pid());
}

// That this CPU lacks a part of what was recorded on another is no damage.
Result<arch::ThreadInfo> cpu_of(const HostFacts& facts, const ThreadImage& thread) {
  const std::string name = "task " + std::to_string(thread.tid);
  const auto mode = thread.core->thread_info()->gpregs()->mode();
  if (mode && *mode == schema::UserX86RegsMode::COMPAT) {
    return fail(state::refusal(state::Piece::word_size, name));
  }
  auto info = arch::read_thread_info(*thread.core->thread_info(), facts.xsave);
  if (!info && info.error().fault == Fault::unsupported) {
    return fail(state::refusal(state::Piece::cpu_component, name, info.error().why));
  }
  return info;
}

void plan_schedule(PlanBuilder& builder, const ThreadImage& thread) {
  const schema::ThreadCoreEntry& own = thread.own();
  const int policy = static_cast<int>(own.sched_policy().value_or(SCHED_OTHER));
  const Actor actor{thread.tid};
  if (policy != SCHED_OTHER) {
    const std::uint32_t priority = own.sched_prio().value_or(0);
    builder.call(actor, SYS_sched_setscheduler, {0, policy, builder.object(priority)},
                 "scheduling policy");
  }
  builder.call(actor, SYS_setpriority,
               {static_cast<int>(PRIO_PROCESS), 0, own.sched_nice().value_or(0)}, "nice value");
}

void plan_tls(PlanBuilder& builder, const ThreadImage& thread, const arch::ThreadInfo& info) {
  for (const arch::TlsSlot& slot : info.tls) {
    if (slot.bits != arch::TlsSlot::kEmpty || slot.base != 0 || slot.limit != 0) {
      builder.call({thread.tid}, SYS_set_thread_area, {builder.object(slot)}, "TLS slot");
    }
  }
}

void plan_name(PlanBuilder& builder, const TaskImage& task, const ThreadImage& thread) {
  std::string_view name = task.process->comm();
  if (thread.own().comm() != nullptr) {
    name = {thread.own().comm()->c_str(), thread.own().comm()->size()};
  }
  builder.call({thread.tid}, SYS_prctl,
               {PR_SET_NAME, builder.text(name.substr(0, kLongestComm)), 0, 0, 0}, "its name");
}

Result<void> plan_thread(PlanBuilder& builder, const HostFacts& facts, const TaskImage& task,
                         const ThreadImage& thread) {
  IMG_ASSIGN(const arch::ThreadInfo info, cpu_of(facts, thread));
  const Actor actor{thread.tid};
  const schema::ThreadCoreEntry& own = thread.own();
  builder.call(actor, SYS_set_tid_address, {info.clear_tid_address}, "where its end is told");
  if (own.futex_rla() != 0) {
    builder.call(actor, SYS_set_robust_list, {own.futex_rla(), own.futex_rla_len()}, "robust list");
  }
  if (const auto* stack = own.sas(); stack != nullptr) {
    // On it or not: that the registers say.
    const stack_t to{reinterpret_cast<void*>(stack->ss_sp()),
                     static_cast<int>(stack->ss_flags() & ~static_cast<unsigned>(SS_ONSTACK)),
                     stack->ss_size()};
    builder.call(actor, SYS_sigaltstack, {builder.object(to), 0}, "alternate signal stack");
  }
  if (const auto* rseq = own.rseq_entry(); rseq != nullptr && rseq->rseq_abi_pointer() != 0) {
    builder.call(actor, SYS_rseq,
                 {rseq->rseq_abi_pointer(), rseq->rseq_abi_size(), 0, rseq->signature()},
                 "restartable sequences");
  }
  plan_tls(builder, thread, info);
  plan_schedule(builder, thread);
  plan_name(builder, task, thread);
  return plan_thread_settings(builder, facts, thread);
}

void plan_limits(PlanBuilder& builder, const HostFacts& facts, const TaskImage& task) {
  constexpr unsigned kResource = 24;  // CAP_SYS_RESOURCE
  const bool may_raise = (facts.credentials.effective >> kResource & 1) != 0;
  const auto& all = *task.shared().rlimits()->rlimits();
  for (std::size_t i = 0; i < std::min<std::size_t>(all.size(), kLimits); ++i) {
    const schema::RlimitEntry& one = *all.Get(static_cast<flatbuffers::uoffset_t>(i));
    if (one.max() > facts.limits[i].most && !may_raise) {
      builder.refuse(state::refusal(state::Piece::limit_above_ours, process_name(task),
                                    "resource limit " + std::to_string(i)));
      return;
    }
    const Limit limit{one.cur(), one.max()};
    builder.call({task.pid()}, SYS_prlimit64, {0, i, builder.object(limit), 0}, "resource limit");
  }
}

void plan_actions(PlanBuilder& builder, const TaskImage& task) {
  const auto& all = *task.shared().sigactions();
  int signal = 1;
  for (const schema::SaEntry* one : all) {
    while (signal == SIGKILL || signal == SIGSTOP) {
      ++signal;
    }
    const KernelSigaction action{one->sigaction(), one->flags(), one->restorer(), one->mask()};
    builder.call({task.pid()}, SYS_rt_sigaction, {signal, builder.object(action), 0, 8},
                 "disposition of signal " + std::to_string(signal));
    ++signal;
  }
}

void plan_membarrier(PlanBuilder& builder, const TaskImage& task) {
  const std::uint64_t registered =
      task.shared().membarrier_registration_mask().value_or(0) & kMembarrierCommands;
  for (std::uint64_t bit = 1; bit <= registered; bit <<= 1) {
    if ((registered & bit & kMembarrierRegister) != 0) {
      builder.call({task.pid()}, SYS_membarrier, {bit, 0, 0}, "membarrier registration");
    }
  }
}

bool is_pending(const schema::SignalQueueEntry* queue, int signal) {
  if (queue == nullptr || queue->signals() == nullptr) {
    return false;
  }
  return std::any_of(queue->signals()->begin(), queue->signals()->end(), [&](const auto* one) {
    return one->siginfo()->size() >= sizeof(int) && load<int>(one->siginfo()->data()) == signal;
  });
}

Result<void> queue_signals(PlanBuilder& builder, Actor actor, std::uint32_t pid, bool to_thread,
                           const schema::SignalQueueEntry* queue) {
  if (queue == nullptr || queue->signals() == nullptr) {
    return {};
  }
  for (const schema::SiginfoEntry* one : *queue->signals()) {
    if (one->siginfo()->size() != sizeof(siginfo_t)) {
      return fail(Fault::corrupt, "process " + std::to_string(pid), "pending signal",
                  "not as long as a siginfo");
    }
    const Bytes bytes = std::as_bytes(std::span(one->siginfo()->data(), sizeof(siginfo_t)));
    const int signal = load<int>(bytes.data());
    if (to_thread) {
      builder.call(actor, SYS_rt_tgsigqueueinfo, {pid, actor.tid, signal, builder.data(bytes)},
                   "pending signal " + std::to_string(signal));
    } else {
      builder.call(actor, SYS_rt_sigqueueinfo, {pid, signal, builder.data(bytes)},
                   "pending signal " + std::to_string(signal));
    }
  }
  return {};
}

}  // namespace

bool waits_for(const TaskImage& task, int signal) {
  return is_pending(task.shared().signals_s(), signal);
}

int unused_signal(const TaskImage& task) {
  const auto is_free = [&](int signal) {
    if (is_pending(task.shared().signals_s(), signal)) {
      return false;
    }
    return std::none_of(task.threads.begin(), task.threads.end(), [&](const ThreadImage& one) {
      return is_pending(one.own().signals_p(), signal);
    });
  };
  for (const int signal : {SIGURG, SIGWINCH, SIGIO, SIGPWR}) {
    if (is_free(signal)) {
      return signal;
    }
  }
  for (int signal = kFirstRealTime; signal <= 64; ++signal) {
    if (is_free(signal)) {
      return signal;
    }
  }
  return SIGURG;
}

// Only a task itself may say who has logged in, and only once where that is sealed.
void plan_login(PlanBuilder& builder, const HostFacts& facts, const TaskImage& task) {
  const std::uint32_t login = task.shared().loginuid().value_or(facts.login_uid);
  if (login == facts.login_uid) {
    return;
  }
  const Actor actor{task.pid()};
  const std::string text = std::to_string(static_cast<std::int32_t>(login));
  const Slot file =
      builder.call(actor, SYS_openat, {AT_FDCWD, builder.text("/proc/self/loginuid"), O_WRONLY},
                   "open loginuid", kMayFail);
  builder.call(actor, SYS_write, {file, builder.text(text), text.size()}, "who has logged in",
               kMayFail);
  builder.call(actor, SYS_close, {file}, "close it", kMayFail);
}

Result<void> plan_place(PlanBuilder& builder, const TaskImage& task, FilePlanner& files) {
  const Actor actor{task.pid()};
  IMG_ASSIGN(const Slot root, files.slot_of(task.fs->root_id()));
  IMG_ASSIGN(const Slot cwd, files.slot_of(task.fs->cwd_id()));
  builder.call(actor, SYS_fchdir, {root}, "go to the root directory");
  builder.call(actor, SYS_chroot, {builder.text(".")}, "root directory");
  builder.call(actor, SYS_fchdir, {cwd}, "current directory");
  if (const auto mask = task.fs->umask(); mask) {
    builder.call(actor, SYS_umask, {*mask}, "umask");
  }
  return {};
}

Result<void> plan_threads(PlanBuilder& builder, const RestoreImage& image, const HostFacts& facts,
                          const TaskImage& task, CgroupPlanner& cgroups) {
  SeccompPlanner seccomp(builder, image, facts, task);
  IMG_TRY(seccomp.install_common());
  for (const ThreadImage& thread : task.threads) {
    if (thread.tid != task.pid()) {
      builder.step(MakeThread{task.pid(), thread.tid});
      cgroups.place_thread(task.pid(), thread.tid, thread.own().cg_set().value_or(0));
    }
  }
  for (const ThreadImage& thread : task.threads) {
    IMG_TRY(plan_thread(builder, facts, task, thread));
    IMG_TRY(seccomp.install_rest(thread));
  }
  return {};
}

Result<void> plan_process(PlanBuilder& builder, const HostFacts& facts, const TaskImage& task) {
  const Actor actor{task.pid()};
  const schema::TaskCoreEntry& shared = task.shared();
  plan_actions(builder, task);
  builder.call(actor, SYS_personality, {shared.personality()}, "personality");
  builder.call(actor, SYS_prctl,
               {PR_SET_CHILD_SUBREAPER, shared.child_subreaper().value_or(false), 0, 0, 0},
               "who gets its orphans");
  plan_membarrier(builder, task);
  plan_limits(builder, facts, task);
  plan_task_settings(builder, facts, task);
  if (const auto score = shared.oom_score_adj(); score) {
    builder.step(WriteProc{task.pid(), "oom_score_adj", std::to_string(*score)});
  }
  return {};
}

Result<void> plan_waiting(PlanBuilder& builder, const HostFacts& facts, const TaskImage& task) {
  IMG_TRY(plan_timers(builder, facts, task));
  IMG_TRY(queue_signals(builder, {task.pid()}, task.pid(), false, task.shared().signals_s()));
  for (const ThreadImage& thread : task.threads) {
    IMG_TRY(queue_signals(builder, {thread.tid}, task.pid(), true, thread.own().signals_p()));
  }
  return {};
}

namespace {

// The call is to end by it: a handler that is about to run finds it failed with EINTR.
bool is_signal_due(const TaskImage& task, const ThreadImage& thread) {
  const std::uint64_t blocked = thread.own().blk_sigset().value_or(task.shared().blk_sigset());
  for (int signal = 1; signal <= 64; ++signal) {
    const bool is_blocked = (blocked >> (signal - 1) & 1) != 0;
    if (!is_blocked && (is_pending(task.shared().signals_s(), signal) ||
                        is_pending(thread.own().signals_p(), signal))) {
      return true;
    }
  }
  return false;
}

// The call that the thread was in: as it would have gone on.
arch::Registers plan_call(PlanBuilder& builder, const TaskImage& task, const ThreadImage& thread,
                          arch::Registers registers) {
  if (arch::restart_of(registers) != arch::Restart::none) {
    registers = arch::same_call_again(registers);
  } else if (arch::was_recorded_interrupted(registers) && !is_signal_due(task, thread)) {
    // What a restart block held is not in an image: but for what the call itself has left of its
    // time, it is made again in full.
    if (const auto rest = arch::rest_of_call(registers)) {
      builder.step(BeginCall{thread.tid, rest->number, rest->args});
      registers = arch::in_rest_of_call(registers);
    } else {
      registers = arch::same_call_again(registers);
    }
  }
  registers.orig_ax = arch::kNoSystemCall;
  return registers;
}

}  // namespace

Result<void> plan_start(PlanBuilder& builder, const HostFacts& facts, const TaskImage& task) {
  std::vector<SetThread> last;  // a call is begun where calls are made, which is gone then
  for (const ThreadImage& thread : task.threads) {
    SetThread step;
    step.pid = task.pid();
    step.tid = thread.tid;
    IMG_ASSIGN(step.state, cpu_of(facts, thread));
    step.state.registers = plan_call(builder, task, thread, step.state.registers);
    step.mask = thread.own().blk_sigset().value_or(task.shared().blk_sigset());
    if (const auto* rseq = thread.own().rseq_entry(); rseq != nullptr) {
      step.rseq = rseq->rseq_abi_pointer();
      step.rseq_cs = rseq->rseq_cs_pointer().value_or(0);
    }
    add_settings(builder, facts, thread, step);
    last.push_back(std::move(step));
  }
  for (SetThread& step : last) {
    builder.step(std::move(step));
  }
  return {};
}

}  // namespace img::plan
