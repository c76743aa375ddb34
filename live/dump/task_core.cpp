// SPDX-License-Identifier: MIT
#include "live/dump/task_core.h"

#include <signal.h>

#include <charconv>
#include <optional>

namespace img::dump {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using procfs::TimerNotify;

constexpr std::size_t kMostPending = 100'000;
constexpr std::uint32_t kAlive = 1;
constexpr std::uint32_t kStopped = 3;

template <class T>
std::optional<T> number_in(const trace::FrozenProcess& process, const char* file, int base = 10) {
  const auto text = process.dir.read(file);
  T value{};
  if (!text ||
      std::from_chars(text->data(), text->data() + text->size(), value, base).ec != std::errc{}) {
    return std::nullopt;
  }
  return value;
}

Offset<schema::ItimerEntry> write_itimer(FlatBufferBuilder& builder, const itimerval& timer) {
  const auto number = [](long value) { return static_cast<std::uint64_t>(value); };
  return schema::CreateItimerEntry(builder, number(timer.it_interval.tv_sec),
                                   number(timer.it_interval.tv_usec), number(timer.it_value.tv_sec),
                                   number(timer.it_value.tv_usec));
}

std::uint32_t notify_of(const procfs::PosixTimer& timer) {
  if (timer.to_thread) {
    return SIGEV_THREAD_ID;
  }
  switch (timer.notify) {
    case TimerNotify::signal: return SIGEV_SIGNAL;
    case TimerNotify::thread: return SIGEV_THREAD;
    case TimerNotify::none: break;
  }
  return SIGEV_NONE;
}

Offset<schema::PosixTimerEntry> write_timer(FlatBufferBuilder& builder, const TimerFacts& facts) {
  const auto number = [](long value) { return static_cast<std::uint64_t>(value); };
  schema::PosixTimerEntryBuilder out(builder);
  out.add_it_id(static_cast<std::uint32_t>(facts.timer.id));
  out.add_clock_id(static_cast<std::uint32_t>(facts.timer.clock));
  out.add_si_signo(static_cast<std::uint32_t>(facts.timer.signal));
  out.add_it_sigev_notify(notify_of(facts.timer));
  out.add_sival_ptr(facts.timer.value);
  out.add_overrun(facts.overrun);
  out.add_isec(number(facts.value.it_interval.tv_sec));
  out.add_insec(number(facts.value.it_interval.tv_nsec));
  out.add_vsec(number(facts.value.it_value.tv_sec));
  out.add_vnsec(number(facts.value.it_value.tv_nsec));
  if (facts.timer.to_thread) {
    out.add_notify_thread_id(facts.timer.target);
  }
  return out.Finish();
}

Offset<schema::TaskTimersEntry> write_timers(FlatBufferBuilder& builder,
                                             const ProcessFacts& facts) {
  std::vector<Offset<schema::PosixTimerEntry>> posix;
  for (const TimerFacts& timer : facts.timers) {
    posix.push_back(write_timer(builder, timer));
  }
  const auto real = write_itimer(builder, facts.itimers[ITIMER_REAL]);
  const auto virt = write_itimer(builder, facts.itimers[ITIMER_VIRTUAL]);
  const auto prof = write_itimer(builder, facts.itimers[ITIMER_PROF]);
  const auto posix_at = posix.empty() ? 0 : builder.CreateVector(posix);
  return schema::CreateTaskTimersEntry(builder, real, virt, prof, posix_at);
}

Offset<schema::TaskRlimitsEntry> write_limits(FlatBufferBuilder& builder,
                                              const ProcessFacts& facts) {
  std::vector<Offset<schema::RlimitEntry>> limits;
  for (const rlimit64& limit : facts.limits) {
    limits.push_back(schema::CreateRlimitEntry(builder, limit.rlim_cur, limit.rlim_max));
  }
  const auto all = builder.CreateVector(limits);
  return schema::CreateTaskRlimitsEntry(builder, all);
}

auto write_actions(FlatBufferBuilder& builder, const ProcessFacts& facts) {
  std::vector<Offset<schema::SaEntry>> actions;
  for (int signal = 1; signal <= kSignals; ++signal) {
    if (signal != SIGKILL && signal != SIGSTOP) {
      const SignalAction& from = facts.actions[static_cast<std::size_t>(signal - 1)];
      actions.push_back(schema::CreateSaEntry(builder, from.handler, from.flags, from.restorer,
                                              from.mask, false));
    }
  }
  return builder.CreateVector(actions);
}

}  // namespace

Result<Offset<schema::SignalQueueEntry>> write_pending(FlatBufferBuilder& builder,
                                                       const trace::Tracee& tracee,
                                                       bool of_process) {
  IMG_ASSIGN(const std::vector<siginfo_t> pending, tracee.pending(of_process, kMostPending));
  std::vector<Offset<schema::SiginfoEntry>> signals;
  for (const siginfo_t& info : pending) {
    const auto bytes =
        builder.CreateVector(reinterpret_cast<const std::uint8_t*>(&info), sizeof info);
    signals.push_back(schema::CreateSiginfoEntry(builder, bytes));
  }
  const auto all = signals.empty() ? 0 : builder.CreateVector(signals);
  return schema::CreateSignalQueueEntry(builder, all);
}

Result<Offset<schema::TaskCoreEntry>> write_task(FlatBufferBuilder& builder,
                                                 const trace::FrozenProcess& process,
                                                 const ProcessFacts& facts) {
  const trace::Tracee& leader = process.threads[0];
  IMG_ASSIGN(const std::uint64_t mask, leader.signal_mask());
  IMG_ASSIGN(const auto pending, write_pending(builder, leader, true));
  const auto limits = write_limits(builder, facts);
  const auto comm = builder.CreateString(process.stat.comm);
  const auto timers = write_timers(builder, facts);
  const auto actions = write_actions(builder, facts);
  const bool is_stopped = process.state == trace::TaskState::stopped;
  schema::TaskCoreEntryBuilder out(builder);
  out.add_task_state(is_stopped ? kStopped : kAlive);
  out.add_exit_code(0);
  out.add_personality(number_in<std::uint32_t>(process, "personality", 16).value_or(0));
  out.add_flags(process.stat.flags);
  out.add_blk_sigset(mask);
  out.add_comm(comm);
  out.add_timers(timers);
  out.add_rlimits(limits);
  out.add_signals_s(pending);
  if (const auto uid = number_in<std::uint32_t>(process, "loginuid")) {
    out.add_loginuid(*uid);
  }
  if (const auto adjustment = number_in<std::int32_t>(process, "oom_score_adj")) {
    out.add_oom_score_adj(*adjustment);
  }
  out.add_sigactions(actions);
  out.add_child_subreaper(facts.child_subreaper);
  if (is_stopped) {
    out.add_stop_signo(static_cast<std::uint32_t>(process.stop_signal));
  }
  if (facts.membarrier != 0) {
    out.add_membarrier_registration_mask(facts.membarrier);
  }
  return out.Finish();
}

}  // namespace img::dump
