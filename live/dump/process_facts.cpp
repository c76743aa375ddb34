// SPDX-License-Identifier: MIT
#include "live/dump/process_facts.h"

#include <linux/membarrier.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstddef>

#include "live/dump/call_batch.h"
#include "live/trace/remote_call.h"

namespace img::dump {
namespace {

using trace::RemoteCall;

constexpr std::uint64_t kGetRegistrations = 1U << 9;  // MEMBARRIER_CMD_GET_REGISTRATIONS, 6.3
constexpr std::uint64_t kMaskBytes = 8;

/// What the calls of a process write, in its memory.
struct ProcessAnswers {
  std::array<SignalAction, kSignals> actions;
  std::array<itimerval, 3> itimers;
  std::array<rlimit64, RLIM_NLIMITS> limits;
  std::int32_t child_subreaper;
  std::int32_t unused;
  std::uint64_t xstate_permitted;
};
struct ThreadAnswers {
  std::uint64_t clear_tid_address;
  stack_t alternate_stack;
  std::int32_t parent_death_signal;
  std::int32_t unused;
  ThreadSettingsAnswers settings;
};
struct Answers {
  ProcessAnswers process;
  ThreadAnswers thread;
};
// Timers are asked in groups that fit behind them.
constexpr std::size_t kTimersAtOnce = 200;
static_assert(sizeof(Answers) + kTimersAtOnce * sizeof(itimerspec) <= RemoteCall::kDataBytes);

struct ProcessCalls {
  std::size_t brk, dumpable, thp, membarrier;
};

ProcessCalls add_process_calls(Batch& batch) {
  ProcessCalls calls{};
  calls.brk = batch.add(SYS_brk, {0});
  calls.dumpable = batch.add(SYS_prctl, {PR_GET_DUMPABLE});
  calls.thp = batch.add(SYS_prctl, {PR_GET_THP_DISABLE});
  calls.membarrier = batch.add(SYS_membarrier, {kGetRegistrations});
  return calls;
}

void add_signal_calls(Batch& batch, std::uint64_t at) {
  batch.add(SYS_prctl, {PR_GET_CHILD_SUBREAPER, at + offsetof(ProcessAnswers, child_subreaper)});
  for (int signal = 1; signal <= kSignals; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) {
      const std::uint64_t place = at + offsetof(ProcessAnswers, actions) +
                                  static_cast<std::uint64_t>(signal - 1) * sizeof(SignalAction);
      batch.add(SYS_rt_sigaction, {static_cast<std::uint64_t>(signal), 0, place, kMaskBytes});
    }
  }
  // From outside this takes a capability where the users are others.
  for (std::uint64_t resource = 0; resource < RLIM_NLIMITS; ++resource) {
    batch.add(SYS_prlimit64, {0, resource, 0,
                              at + offsetof(ProcessAnswers, limits) + resource * sizeof(rlimit64)});
  }
  for (const int timer : {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF}) {
    batch.add(SYS_getitimer, {static_cast<std::uint64_t>(timer),
                              at + offsetof(ProcessAnswers, itimers) +
                                  static_cast<std::uint64_t>(timer) * sizeof(itimerval)});
  }
}

struct ThreadCalls {
  std::size_t secure_bits = 0;
  ThreadSettingsCalls settings;  // behind those that must not fail
};

ThreadCalls add_thread_calls(Batch& batch, std::uint64_t at) {
  ThreadCalls calls;
  batch.add(SYS_prctl, {PR_GET_TID_ADDRESS, at + offsetof(ThreadAnswers, clear_tid_address)});
  batch.add(SYS_sigaltstack, {0, at + offsetof(ThreadAnswers, alternate_stack)});
  batch.add(SYS_prctl, {PR_GET_PDEATHSIG, at + offsetof(ThreadAnswers, parent_death_signal)});
  calls.secure_bits = batch.add(SYS_prctl, {PR_GET_SECUREBITS});
  calls.settings = add_thread_settings(batch, at + offsetof(ThreadAnswers, settings));
  return calls;
}

ThreadFacts facts_of(const Batch& batch, const ThreadCalls& calls, const ThreadAnswers& answers) {
  ThreadFacts out;
  out.clear_tid_address = answers.clear_tid_address;
  out.alternate_stack = answers.alternate_stack;
  out.alternate_stack.ss_flags &= ~SS_ONSTACK;  // where the stack pointer is, not how it was set
  out.parent_death_signal = answers.parent_death_signal;
  out.secure_bits = static_cast<std::uint32_t>(batch.result(calls.secure_bits));
  out.settings = thread_settings(batch, calls.settings, answers.settings);
  return out;
}

Result<ThreadFacts> ask_thread(trace::FrozenProcess& process, trace::Tracee& thread,
                               const trace::RemoteMemory& memory) {
  IMG_ASSIGN(RemoteCall remote, RemoteCall::begin(thread, process.dir, memory));
  IMG_ASSIGN(const std::uint64_t data, remote.data());
  Batch batch;
  const ThreadCalls calls = add_thread_calls(batch, data);
  IMG_TRY(batch.run(remote));
  IMG_TRY(batch.check(thread.tid(), 0, calls.settings.first, "ask thread"));
  IMG_ASSIGN(const auto answers, memory.get<ThreadAnswers>(data));
  IMG_TRY(remote.finish());
  return facts_of(batch, calls, answers);
}

Result<void> ask_timers(RemoteCall& remote, const trace::RemoteMemory& memory, std::uint64_t data,
                        std::span<TimerFacts> timers) {
  Batch batch;
  for (std::size_t i = 0; i < timers.size(); ++i) {
    const auto id = static_cast<std::uint64_t>(timers[i].timer.id);
    batch.add(SYS_timer_gettime, {id, data + i * sizeof(itimerspec)});
    batch.add(SYS_timer_getoverrun, {id});
  }
  IMG_TRY(batch.run(remote));
  IMG_TRY(batch.check(memory.pid(), 0, batch.size(), "ask POSIX timers"));
  std::vector<itimerspec> values(timers.size());
  IMG_TRY(memory.read(data, std::as_writable_bytes(std::span(values))));
  for (std::size_t i = 0; i < timers.size(); ++i) {
    timers[i].value = values[i];
    timers[i].overrun = static_cast<std::uint32_t>(batch.result(2 * i + 1));
  }
  return {};
}

Result<std::vector<TimerFacts>> list_timers(const trace::FrozenProcess& process) {
  std::vector<TimerFacts> out;
  const auto text = process.dir.read("timers");  // a kernel may be built without
  if (text) {
    IMG_ASSIGN(const std::vector<procfs::PosixTimer> timers, procfs::parse_timers(*text));
    for (const procfs::PosixTimer& timer : timers) {
      out.push_back({timer, {}, 0});
    }
  }
  return out;
}

Result<void> ask_leader(trace::FrozenProcess& process, const trace::RemoteMemory& memory,
                        ProcessFacts& out) {
  trace::Tracee& leader = process.threads[0];
  IMG_ASSIGN(RemoteCall remote, RemoteCall::begin(leader, process.dir, memory));
  IMG_ASSIGN(const std::uint64_t data, remote.data());
  Batch batch;
  const ProcessCalls calls = add_process_calls(batch);
  const std::size_t checked = batch.size();
  add_signal_calls(batch, data);
  const ThreadCalls thread = add_thread_calls(batch, data + offsetof(Answers, thread));
  const ProcessSettingsCalls settings =
      add_process_settings(batch, data + offsetof(Answers, process.xstate_permitted));
  IMG_TRY(batch.run(remote));
  IMG_TRY(batch.check(leader.tid(), checked, thread.settings.first, "ask process"));
  IMG_ASSIGN(const auto answers, memory.get<Answers>(data));
  out.brk = static_cast<std::uint64_t>(batch.result(calls.brk));
  out.dumpable = static_cast<std::int32_t>(batch.result(calls.dumpable));
  out.thp_disabled = batch.result(calls.thp) > 0;
  out.membarrier =
      static_cast<std::uint32_t>(std::max<std::int64_t>(batch.result(calls.membarrier), 0));
  out.child_subreaper = answers.process.child_subreaper != 0;
  out.actions = answers.process.actions;
  out.itimers = answers.process.itimers;
  out.limits = answers.process.limits;
  out.settings = process_settings(batch, settings, answers.process.xstate_permitted);
  out.threads.push_back(facts_of(batch, thread, answers.thread));
  for (std::size_t at = 0; at < out.timers.size(); at += kTimersAtOnce) {
    const std::size_t count = std::min(kTimersAtOnce, out.timers.size() - at);
    IMG_TRY(ask_timers(remote, memory, data + sizeof(Answers),
                       std::span(out.timers).subspan(at, count)));
  }
  IMG_ASSIGN(const FutureLock lock, FutureLock::look(process.dir, data, RemoteCall::kDataBytes));
  IMG_TRY(remote.finish());
  IMG_ASSIGN(out.settings.lock_future, lock.found(process.dir));
  return {};
}

}  // namespace

Result<ProcessFacts> ask_process(trace::FrozenProcess& process, const trace::RemoteMemory& memory) {
  ProcessFacts out;
  IMG_ASSIGN(out.timers, list_timers(process));
  IMG_TRY(ask_leader(process, memory, out));
  for (std::size_t i = 1; i < process.threads.size(); ++i) {
    IMG_ASSIGN(ThreadFacts thread, ask_thread(process, process.threads[i], memory));
    out.threads.push_back(thread);
  }
  return out;
}

}  // namespace img::dump
