// SPDX-License-Identifier: MIT
#include "live/dump/process_facts.h"

#include <linux/membarrier.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstddef>

#include "live/trace/remote_call.h"

namespace img::dump {
namespace {

using arch::CallRecord;
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
};
struct ThreadAnswers {
  std::uint64_t clear_tid_address;
  stack_t alternate_stack;
  std::int32_t parent_death_signal;
  std::int32_t unused;
};
struct Answers {
  ProcessAnswers process;
  ThreadAnswers thread;
};
// Timers are asked in groups that fit behind them.
constexpr std::size_t kTimersAtOnce = 200;
static_assert(sizeof(Answers) + kTimersAtOnce * sizeof(itimerspec) <= RemoteCall::kDataBytes);

/// Calls that are made together. Each is known by its place.
class Batch {
 public:
  std::size_t add(std::uint64_t number, std::array<std::uint64_t, 6> args) {
    records_.push_back({number, args, 0});
    return records_.size() - 1;
  }
  Result<void> run(RemoteCall& remote) { return remote.run(records_); }
  [[nodiscard]] std::int64_t result(std::size_t place) const { return records_[place].result; }
  /// The first call that must not fail and has.
  Result<void> check(pid_t tid, std::size_t from, const char* what) const {
    for (std::size_t i = from; i < records_.size(); ++i) {
      if (records_[i].result < 0) {
        return fail(
            sys_error(static_cast<int>(-records_[i].result), "task " + std::to_string(tid), what));
      }
    }
    return {};
  }
  [[nodiscard]] std::size_t size() const { return records_.size(); }

 private:
  std::vector<CallRecord> records_;
};

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

/// The place of PR_GET_SECUREBITS.
std::size_t add_thread_calls(Batch& batch, std::uint64_t at) {
  batch.add(SYS_prctl, {PR_GET_TID_ADDRESS, at + offsetof(ThreadAnswers, clear_tid_address)});
  batch.add(SYS_sigaltstack, {0, at + offsetof(ThreadAnswers, alternate_stack)});
  batch.add(SYS_prctl, {PR_GET_PDEATHSIG, at + offsetof(ThreadAnswers, parent_death_signal)});
  return batch.add(SYS_prctl, {PR_GET_SECUREBITS});
}

ThreadFacts facts_of(const ThreadAnswers& answers, std::int64_t secure_bits) {
  ThreadFacts out;
  out.clear_tid_address = answers.clear_tid_address;
  out.alternate_stack = answers.alternate_stack;
  out.alternate_stack.ss_flags &= ~SS_ONSTACK;  // where the stack pointer is, not how it was set
  out.parent_death_signal = answers.parent_death_signal;
  out.secure_bits = static_cast<std::uint32_t>(secure_bits);
  return out;
}

Result<ThreadFacts> ask_thread(trace::FrozenProcess& process, trace::Tracee& thread,
                               const trace::RemoteMemory& memory) {
  IMG_ASSIGN(RemoteCall remote, RemoteCall::begin(thread, process.dir, memory));
  IMG_ASSIGN(const std::uint64_t data, remote.data());
  Batch batch;
  const std::size_t secure_bits = add_thread_calls(batch, data);
  IMG_TRY(batch.run(remote));
  IMG_TRY(batch.check(thread.tid(), 0, "ask thread"));
  IMG_ASSIGN(const auto answers, memory.get<ThreadAnswers>(data));
  IMG_TRY(remote.finish());
  return facts_of(answers, batch.result(secure_bits));
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
  IMG_TRY(batch.check(memory.pid(), 0, "ask POSIX timers"));
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
  const std::size_t secure_bits = add_thread_calls(batch, data + offsetof(Answers, thread));
  IMG_TRY(batch.run(remote));
  IMG_TRY(batch.check(leader.tid(), checked, "ask process"));
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
  out.threads.push_back(facts_of(answers.thread, batch.result(secure_bits)));
  for (std::size_t at = 0; at < out.timers.size(); at += kTimersAtOnce) {
    const std::size_t count = std::min(kTimersAtOnce, out.timers.size() - at);
    IMG_TRY(ask_timers(remote, memory, data + sizeof(Answers),
                       std::span(out.timers).subspan(at, count)));
  }
  return remote.finish();
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
