// SPDX-License-Identifier: MIT
#include "live/dump/core_record.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "live/arch/x86_64/thread_info.h"
#include "live/dump/task_core.h"
#include "live/trace/rseq.h"
#include "schema/core_generated.h"

namespace img::dump {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

constexpr int kDeadlinePolicy = 6;  // SCHED_DEADLINE

std::string name_of_thread(const ThreadView& thread) {
  return name_of(thread.process) + ", task " + std::to_string(thread.tracee.tid());
}

std::vector<std::uint32_t> words_of(std::uint64_t set) {
  return {static_cast<std::uint32_t>(set), static_cast<std::uint32_t>(set >> 32)};
}

Offset<schema::CredsEntry> write_creds(FlatBufferBuilder& builder, const ThreadView& thread) {
  const procfs::Status& from = thread.status;
  const auto inheritable = builder.CreateVector(words_of(from.cap_inheritable));
  const auto permitted = builder.CreateVector(words_of(from.cap_permitted));
  const auto effective = builder.CreateVector(words_of(from.cap_effective));
  const auto bounding = builder.CreateVector(words_of(from.cap_bounding));
  const auto ambient = builder.CreateVector(words_of(from.cap_ambient));
  const auto groups = from.groups.empty() ? 0 : builder.CreateVector(from.groups);
  schema::CredsEntryBuilder out(builder);
  out.add_uid(from.uids[0]);
  out.add_gid(from.gids[0]);
  out.add_euid(from.uids[1]);
  out.add_egid(from.gids[1]);
  out.add_suid(from.uids[2]);
  out.add_sgid(from.gids[2]);
  out.add_fsuid(from.uids[3]);
  out.add_fsgid(from.gids[3]);
  out.add_cap_inh(inheritable);
  out.add_cap_prm(permitted);
  out.add_cap_eff(effective);
  out.add_cap_bnd(bounding);
  out.add_secbits(thread.facts.secure_bits);
  if (!from.groups.empty()) {
    out.add_groups(groups);
  }
  if (from.no_new_privs) {
    out.add_no_new_privs(1);
  }
  out.add_cap_amb(ambient);
  return out.Finish();
}

struct Scheduling {
  std::int32_t nice = 0;
  std::uint32_t policy = 0;
  std::optional<std::uint32_t> priority;
};

Result<Scheduling> scheduling_of(const ThreadView& thread, Remarks& remarks) {
  const pid_t tid = thread.tracee.tid();
  Scheduling out;
  const int policy = ::sched_getscheduler(tid);
  if (policy < 0) {
    return fail(sys_error(errno, name_of_thread(thread), "scheduling policy"));
  }
  out.policy = static_cast<std::uint32_t>(policy);
  const int kind = policy & ~SCHED_RESET_ON_FORK;
  if (kind == kDeadlinePolicy) {
    remarks.refuse(state::Piece::sched_deadline, name_of_thread(thread));
  }
  if (kind == SCHED_FIFO || kind == SCHED_RR) {
    sched_param param{};
    if (::sched_getparam(tid, &param) < 0) {
      return fail(sys_error(errno, name_of_thread(thread), "scheduling priority"));
    }
    out.priority = static_cast<std::uint32_t>(param.sched_priority);
  }
  errno = 0;
  out.nice = ::getpriority(PRIO_PROCESS, static_cast<id_t>(tid));
  if (errno != 0) {
    return fail(sys_error(errno, name_of_thread(thread), "nice"));
  }
  return out;
}

Result<Offset<schema::ThreadCoreEntry>> write_thread(FlatBufferBuilder& builder,
                                                     const ThreadView& thread,
                                                     const ProcessFacts* leader, Remarks& remarks) {
  const pid_t tid = thread.tracee.tid();
  std::uint64_t robust_list = 0;
  std::size_t robust_bytes = 0;
  if (::syscall(SYS_get_robust_list, tid, &robust_list, &robust_bytes) < 0) {
    return fail(sys_error(errno, name_of_thread(thread), "get_robust_list"));
  }
  IMG_ASSIGN(const Scheduling scheduling, scheduling_of(thread, remarks));
  IMG_ASSIGN(const trace::RseqState rseq, thread.tracee.rseq());
  IMG_ASSIGN(const std::uint64_t mask, thread.tracee.signal_mask());
  IMG_ASSIGN(const procfs::Stat stat, thread.dir.stat());
  IMG_ASSIGN(const auto pending, write_pending(builder, thread.tracee, false));
  const stack_t& stack = thread.facts.alternate_stack;
  const auto sas =
      schema::CreateThreadSasEntry(builder, reinterpret_cast<std::uint64_t>(stack.ss_sp),
                                   stack.ss_size, static_cast<std::uint32_t>(stack.ss_flags));
  const auto creds = write_creds(builder, thread);
  const auto comm = builder.CreateString(stat.comm);
  const auto rseq_entry =
      schema::CreateRseqEntry(builder, rseq.address, rseq.bytes, rseq.signature);
  schema::ThreadCoreEntryBuilder out(builder);
  out.add_futex_rla(robust_list);
  out.add_futex_rla_len(static_cast<std::uint32_t>(robust_bytes));
  out.add_sched_nice(scheduling.nice);
  out.add_sched_policy(scheduling.policy);
  if (scheduling.priority) {
    out.add_sched_prio(*scheduling.priority);
  }
  if (leader == nullptr) {
    out.add_blk_sigset(mask);  // a leader's is in its TaskCoreEntry
  }
  out.add_sas(sas);
  if (thread.facts.parent_death_signal != 0) {
    out.add_pdeath_sig(static_cast<std::uint32_t>(thread.facts.parent_death_signal));
  }
  out.add_signals_p(pending);
  out.add_creds(creds);
  if (thread.status.seccomp != 0) {
    out.add_seccomp_mode(static_cast<schema::SeccompMode>(thread.status.seccomp));
  }
  if (thread.seccomp_filter) {
    out.add_seccomp_filter(*thread.seccomp_filter);
  }
  out.add_comm(comm);
  out.add_rseq_entry(rseq_entry);
  out.add_cg_set(thread.cgroup_set);
  return out.Finish();
}

// Of a call whose time so far only the kernel knows: it is made again in full. Short ones are not
// worth a word.
bool is_long_wait(const arch::Registers& registers, const trace::RemoteMemory& memory) {
  constexpr std::int64_t kLongSeconds = 10;
  const auto is_long = [&](std::uint64_t timespec_at) {
    const auto time = memory.get<timespec>(timespec_at);
    return timespec_at != 0 && time && time->tv_sec >= kLongSeconds;
  };
  switch (registers.orig_ax) {
    case SYS_poll: return static_cast<std::int32_t>(registers.dx) >= kLongSeconds * 1000;
    case SYS_futex: return is_long(registers.r10);
    case SYS_nanosleep: return registers.si == 0 && is_long(registers.di);
    case SYS_clock_nanosleep: return registers.r10 == 0 && is_long(registers.dx);
    default: return false;
  }
}

Result<Offset<schema::ThreadInfoX86>> write_cpu(FlatBufferBuilder& builder,
                                                const ThreadView& thread, const CoreTools& tools) {
  IMG_ASSIGN(arch::Registers registers, thread.tracee.registers());
  IMG_ASSIGN(registers.ip, trace::rseq_resume(thread.tracee, tools.memory, registers.ip));
  if (arch::restart_of(registers) == arch::Restart::restart_block) {
    std::array<std::byte, arch::kCodeInFront> code{};
    if (tools.memory.read(registers.ip - code.size(), code)) {
      registers.orig_ax = arch::first_number(registers.orig_ax, code);
    }
    if (is_long_wait(registers, tools.memory)) {
      tools.remarks.lose(state::Piece::waited_time, name_of_thread(thread));
    }
  }
  IMG_ASSIGN(std::vector<std::byte> bytes, thread.tracee.xstate());
  IMG_ASSIGN(const arch::Xstate xstate, arch::Xstate::take(std::move(bytes), tools.xsave));
  IMG_ASSIGN(const auto tls, thread.tracee.tls_slots());
  return arch::write_thread_info(builder, as_recorded(registers), xstate,
                                 thread.facts.clear_tid_address, tls);
}

}  // namespace

arch::Registers as_recorded(arch::Registers registers) {
  switch (arch::restart_of(registers)) {
    case arch::Restart::none: break;
    case arch::Restart::same_call:
      registers.ax = registers.orig_ax;
      registers.ip -= 2;
      break;
    case arch::Restart::restart_block: registers.ax = static_cast<std::uint64_t>(-EINTR); break;
  }
  return registers;
}

Result<void> put_core(const ThreadView& thread, const ProcessFacts* leader,
                      const CoreTools& tools) {
  FlatBufferBuilder& builder = tools.records.begin();
  IMG_ASSIGN(const auto cpu, write_cpu(builder, thread, tools));
  Offset<schema::TaskCoreEntry> task;
  if (leader != nullptr) {
    IMG_ASSIGN(task, write_task(builder, thread.process, *leader));
  }
  IMG_ASSIGN(const auto core, write_thread(builder, thread, leader, tools.remarks));
  schema::CoreEntryBuilder out(builder);
  out.add_mtype(schema::March::X86_64);
  out.add_thread_info(cpu);
  if (leader != nullptr) {
    out.add_tc(task);
  }
  out.add_thread_core(core);
  tools.records.add(Kind::core, static_cast<std::uint64_t>(thread.tracee.tid()), out.Finish());
  return {};
}

}  // namespace img::dump
