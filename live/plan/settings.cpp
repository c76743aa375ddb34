// SPDX-License-Identifier: MIT
#include "live/plan/settings.h"

#include <asm/prctl.h>
#include <fcntl.h>
#include <linux/mempolicy.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "libimg/base/units.h"
#include "live/plan/losses.h"

namespace img::plan {
namespace {

constexpr std::uint64_t kSetWriteOrExecute = 65;    // PR_SET_MDWE
constexpr std::uint64_t kSetMemoryMerge = 67;       // PR_SET_MEMORY_MERGE
constexpr std::uint64_t kRequestXstate = 0x1023;    // ARCH_REQ_XCOMP_PERM
constexpr unsigned kResource = 24;                  // CAP_SYS_RESOURCE
constexpr std::uint32_t kRelativeNodes = 1U << 14;  // MPOL_F_RELATIVE_NODES
constexpr std::size_t kMostCpuWords = 1024;
constexpr std::size_t kMostNodeWords = 16;
constexpr int kOneTask = 1;  // IOPRIO_WHO_PROCESS

using Words = flatbuffers::Vector<std::uint64_t>;

bool have_common_bit(const Words& wanted, std::span<const std::uint64_t> here) {
  for (std::size_t i = 0; i < std::min<std::size_t>(wanted.size(), here.size()); ++i) {
    if ((wanted.Get(static_cast<flatbuffers::uoffset_t>(i)) & here[i]) != 0) {
      return true;
    }
  }
  return false;
}

std::string name_of(const ThreadImage& thread) {
  return "task " + std::to_string(thread.tid);
}

DataId words(PlanBuilder& builder, const Words& from) {
  return builder.data(std::as_bytes(std::span(from.data(), from.size())));
}

void plan_cpus(PlanBuilder& builder, const HostFacts& facts, const ThreadImage& thread,
               const Words& cpus) {
  if (!have_common_bit(cpus, facts.cpus)) {
    note_loss(builder, state::Piece::cpus_not_here, name_of(thread));
    return;
  }
  // EINVAL: its cgroup has other CPUs.
  builder.call({thread.tid}, SYS_sched_setaffinity,
               {0, cpus.size() * sizeof(std::uint64_t), words(builder, cpus)},
               "the CPUs that it is bound to", may_fail_with(EINVAL));
}

void plan_memory_policy(PlanBuilder& builder, const HostFacts& facts, const ThreadImage& thread,
                        const schema::MemoryPolicy& policy) {
  const bool has_nodes = policy.nodes() != nullptr && policy.nodes()->size() != 0;
  if (has_nodes && (policy.mode() & kRelativeNodes) == 0 &&
      !have_common_bit(*policy.nodes(), facts.nodes)) {
    note_loss(builder, state::Piece::nodes_not_here, name_of(thread));
    return;
  }
  const std::string what = "memory policy";
  if (!has_nodes) {
    builder.call({thread.tid}, SYS_set_mempolicy, {policy.mode(), 0, 0}, what);
    return;
  }
  // The kernel looks at one bit less than it is told of.
  builder.call({thread.tid}, SYS_set_mempolicy,
               {policy.mode(), words(builder, *policy.nodes()), policy.nodes()->size() * 64 + 1},
               what, may_fail_with(EINVAL));
}

void plan_speculation(PlanBuilder& builder, const ThreadImage& thread,
                      const schema::Speculation& one) {
  constexpr std::uint32_t kSet = PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE | PR_SPEC_DISABLE_NOEXEC;
  // ENXIO: a CPU on which there is nothing to be switched off.
  builder.call({thread.tid}, SYS_prctl,
               {PR_SET_SPECULATION_CTRL, one.what(), one.state() & kSet, 0, 0},
               "speculation control", may_fail_with(ENXIO));
}

Result<void> check(const schema::ThreadSettings& settings) {
  const bool is_wrong =
      (settings.cpus() != nullptr && settings.cpus()->size() > kMostCpuWords) ||
      (settings.memory_policy() != nullptr && settings.memory_policy()->nodes() != nullptr &&
       settings.memory_policy()->nodes()->size() > kMostNodeWords) ||
      (settings.user_dispatch() != nullptr && settings.user_dispatch()->mode() != 1);
  if (is_wrong) {
    return fail(Fault::corrupt, "settings of task " + std::to_string(settings.tid()), "",
                "img-check says what is wrong with them");
  }
  return {};
}

}  // namespace

Result<void> plan_thread_settings(PlanBuilder& builder, const HostFacts& facts,
                                  const ThreadImage& thread) {
  if (thread.settings == nullptr) {
    return {};
  }
  const schema::ThreadSettings& from = *thread.settings;
  IMG_TRY(check(from));
  const Actor actor{thread.tid};
  if (from.cpus() != nullptr) {
    plan_cpus(builder, facts, thread, *from.cpus());
  }
  if (const auto priority = from.io_priority()) {
    builder.call(actor, SYS_ioprio_set, {kOneTask, 0, *priority}, "I/O priority");
  }
  if (const auto slack = from.timer_slack(); slack && *slack != 0) {
    builder.call(actor, SYS_prctl, {PR_SET_TIMERSLACK, *slack, 0, 0, 0}, "timer slack");
  }
  if (from.memory_policy() != nullptr) {
    plan_memory_policy(builder, facts, thread, *from.memory_policy());
  }
  for (std::size_t i = 0; from.speculation() != nullptr && i < from.speculation()->size(); ++i) {
    plan_speculation(builder, thread,
                     *from.speculation()->Get(static_cast<flatbuffers::uoffset_t>(i)));
  }
  if (const auto tsc = from.tsc()) {
    builder.call(actor, SYS_prctl, {PR_SET_TSC, *tsc, 0, 0, 0}, "time stamp counter");
  }
  if (const auto kill = from.machine_check_kill()) {
    builder.call(actor, SYS_prctl, {PR_MCE_KILL, PR_MCE_KILL_SET, *kill, 0, 0},
                 "how it is told of failed memory");
  }
  if (from.io_flusher() && (facts.credentials.effective >> kResource & 1) == 0) {
    note_loss(builder, state::Piece::io_flusher, name_of(thread));
  } else if (from.io_flusher()) {
    builder.call(actor, SYS_prctl, {PR_SET_IO_FLUSHER, 1, 0, 0, 0}, "that it flushes for others");
  }
  if (from.cpuid_faults()) {
    builder.call(actor, SYS_arch_prctl, {ARCH_SET_CPUID, 0}, "that CPUID is a fault");
  }
  return {};
}

void plan_task_settings(PlanBuilder& builder, const HostFacts& facts, const TaskImage& task) {
  if (task.settings == nullptr) {
    return;
  }
  const schema::TaskSettings& from = *task.settings;
  const Actor actor{task.pid()};
  if (const auto filter = from.core_filter()) {
    builder.step(WriteProc{task.pid(), "coredump_filter", hex(*filter)});
  }
  if (const auto nice = from.autogroup_nice(); nice && task.process->sid == task.pid()) {
    builder.step(WriteProc{task.pid(), "autogroup", std::to_string(*nice)});
  }
  if (from.memory_merge()) {
    builder.call(actor, SYS_prctl, {kSetMemoryMerge, 1, 0, 0, 0}, "that equal pages are merged");
  }
  for (unsigned part = 0; part < arch::kComponents; ++part) {
    if ((from.xstate_permitted() >> part & 1) == 0) {
      continue;
    }
    if (facts.xsave.find(part) == nullptr) {
      builder.refuse(state::refusal(state::Piece::cpu_component,
                                    "process " + std::to_string(task.pid()),
                                    std::string(arch::component_name(part))));
      continue;
    }
    builder.call(actor, SYS_arch_prctl, {kRequestXstate, part},
                 "permission for " + std::string(arch::component_name(part)));
  }
}

void plan_mapping_settings(PlanBuilder& builder, const TaskImage& task) {
  if (task.settings == nullptr) {
    return;
  }
  const Actor actor{task.pid()};
  if (const std::uint32_t bits = task.settings->write_or_execute(); bits != 0) {
    builder.call(actor, SYS_prctl, {kSetWriteOrExecute, bits, 0, 0, 0},
                 "that nothing written becomes executable");
  }
  if (const std::uint32_t bits = task.settings->lock_future() & (MCL_FUTURE | MCL_ONFAULT);
      bits != 0) {
    builder.call(actor, SYS_mlockall, {bits | MCL_FUTURE}, "that new mappings are locked");
  }
}

void add_settings(PlanBuilder& builder, const HostFacts& facts, const ThreadImage& thread,
                  SetThread& step) {
  if (thread.settings == nullptr) {
    return;
  }
  if (const auto* dispatch = thread.settings->user_dispatch(); dispatch != nullptr) {
    step.dispatch =
        UserDispatch{dispatch->mode(), dispatch->selector(), dispatch->offset(), dispatch->bytes()};
  }
  const auto* parts = thread.settings->xstate();
  for (std::size_t i = 0; parts != nullptr && i < parts->size(); ++i) {
    const auto& part = *parts->Get(static_cast<flatbuffers::uoffset_t>(i));
    const Bytes bytes = std::as_bytes(std::span(part.bytes()->data(), part.bytes()->size()));
    if (!arch::put_part(part.number(), bytes, facts.xsave, step.state.xstate)) {
      builder.refuse(state::refusal(state::Piece::cpu_component, name_of(thread),
                                    std::string(arch::component_name(part.number()))));
    } else if (part.number() == arch::kTileData) {
      builder.step(UseTiles{thread.tid});
    }
  }
}

std::uint32_t exit_signal_of(const TaskImage& task) {
  const std::uint32_t signal =
      task.settings == nullptr ? SIGCHLD : task.settings->exit_signal().value_or(SIGCHLD);
  return signal < NSIG ? signal : SIGCHLD;
}

}  // namespace img::plan
