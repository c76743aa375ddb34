// SPDX-License-Identifier: MIT
// What every thread has: scheduling, credentials, pending signals; and the timers of a process.
#include <fmt/core.h>

#include <algorithm>

#include "libimg/check/core_parts.h"

namespace img::check {
namespace {

constexpr std::uint32_t kSignals = 64;
constexpr std::size_t kSiginfoBytes = 128;
constexpr std::size_t kCapabilityWords = 2;

void scheduling(Facts& facts, const Record& record, const schema::ThreadCoreEntry& thread) {
  if (!thread.sched_policy()) {
    return;
  }
  constexpr std::uint32_t kResetOnFork = 0x40000000;
  const std::uint32_t policy = *thread.sched_policy() & ~kResetOnFork;
  const std::uint32_t priority = thread.sched_prio().value_or(0);
  const std::int32_t nice = thread.sched_nice().value_or(0);
  const bool is_realtime = policy == 1 || policy == 2;
  const bool is_usual = policy == 0 || policy == 3 || policy == 5;
  if (!is_realtime && !is_usual) {
    facts.report.add(
        RuleId::THR_2, facts.at(record, "thread_core.sched_policy", std::to_string(policy)),
        policy == 6 ? "deadline scheduling cannot be restored" : "is no scheduling policy");
  } else if (is_realtime ? priority < 1 || priority > 99 : priority != 0) {
    facts.report.add(RuleId::THR_2,
                     facts.at(record, "thread_core.sched_prio", std::to_string(priority)),
                     fmt::format("policy {} has no priority {}", policy, priority));
  }
  if (nice < -20 || nice > 19) {
    facts.report.add(RuleId::THR_2,
                     facts.at(record, "thread_core.sched_nice", std::to_string(nice)),
                     "nice values are -20 to 19");
  }
}

void credentials(Facts& facts, const Record& record, const schema::CredsEntry& creds) {
  const std::pair<const char*, const flatbuffers::Vector<std::uint32_t>*> sets[] = {
      {"cap_inh", creds.cap_inh()}, {"cap_prm", creds.cap_prm()}, {"cap_eff", creds.cap_eff()},
      {"cap_bnd", creds.cap_bnd()}, {"cap_amb", creds.cap_amb()},
  };
  for (const auto& [name, words] : sets) {
    const std::size_t have = words == nullptr ? 0 : words->size();
    const bool may_be_absent = words == creds.cap_amb();
    if (have == kCapabilityWords || (have == 0 && may_be_absent)) {
      continue;
    }
    facts.report.add(
        RuleId::THR_3, have > kCapabilityWords ? Severity::error : Severity::warning,
        facts.at(record, fmt::format("thread_core.creds.{}", name), std::to_string(have)),
        fmt::format("a set of capabilities of {} words, not 2", have));
  }
}

}  // namespace

void judge_thread(Facts& facts, const Record& record, const schema::ThreadCoreEntry& thread,
                  const Process* process) {
  scheduling(facts, record, thread);
  if (thread.creds() != nullptr) {
    credentials(facts, record, *thread.creds());
  } else if (process != nullptr && !facts.has(Kind::creds, process->pid)) {
    facts.report.add(RuleId::THR_3, facts.at(record, "thread_core.creds"),
                     "no credentials, neither here nor in a creds file");
  }
  if (thread.pdeath_sig().value_or(0) > kSignals) {
    facts.report.add(
        RuleId::THR_5,
        facts.at(record, "thread_core.pdeath_sig", std::to_string(*thread.pdeath_sig())),
        "is no signal");
  }
  if (thread.signals_p() != nullptr) {
    judge_signals(facts, record, "thread_core.signals_p", *thread.signals_p());
  }
}

void judge_signals(Facts& facts, const Record& record, const char* field,
                   const schema::SignalQueueEntry& queue) {
  if (queue.signals() == nullptr) {
    return;
  }
  for (const schema::SiginfoEntry* entry : *queue.signals()) {
    judge_siginfo(facts, record, field, *entry);
  }
}

void judge_siginfo(Facts& facts, const Record& record, const char* field,
                   const schema::SiginfoEntry& entry) {
  const std::size_t size = entry.siginfo()->size();
  if (size != kSiginfoBytes) {
    facts.report.add(RuleId::CORE_13, facts.at(record, field, std::to_string(size)),
                     fmt::format("a pending signal of {} bytes, where a siginfo has 128", size));
    return;
  }
  const auto number = load<std::int32_t>(entry.siginfo()->data());
  if (number < 1 || number > static_cast<std::int32_t>(kSignals)) {
    facts.report.add(RuleId::CORE_13, facts.at(record, field, std::to_string(number)),
                     fmt::format("pending signal {} is none", number));
  }
}

void judge_itimer(Facts& facts, const Record& record, const char* field,
                  const schema::ItimerEntry& timer) {
  for (const auto& [name, value] :
       {std::pair{"iusec", timer.iusec()}, std::pair{"vusec", timer.vusec()}}) {
    if (value >= 1'000'000) {
      facts.report.add(RuleId::CORE_12,
                       facts.at(record, fmt::format("{}.{}", field, name), std::to_string(value)),
                       fmt::format("{} microseconds are more than a second", value));
    }
  }
}

void judge_posix_timers(Facts& facts, const Record& record,
                        const std::vector<const schema::PosixTimerEntry*>& timers,
                        const Process* process) {
  constexpr std::uint32_t kSignal = 0;
  constexpr std::uint32_t kNone = 1;
  constexpr std::uint32_t kThread = 2;
  constexpr std::uint32_t kThreadId = 4;
  std::vector<std::uint32_t> ids;
  for (const schema::PosixTimerEntry* timer : timers) {
    ids.push_back(timer->it_id());
    for (const auto& [name, value] :
         {std::pair{"insec", timer->insec()}, std::pair{"vnsec", timer->vnsec()}}) {
      if (value >= 1'000'000'000) {
        facts.report.add(
            RuleId::CORE_12,
            facts.at(record, fmt::format("tc.timers.posix.{}", name), std::to_string(value)),
            fmt::format("timer {}: {} nanoseconds are more than a second", timer->it_id(), value));
      }
    }
    const std::uint32_t notify = timer->it_sigev_notify();
    if (notify != kSignal && notify != kNone && notify != kThread && notify != kThreadId) {
      facts.report.add(RuleId::CORE_12,
                       facts.at(record, "tc.timers.posix.it_sigev_notify", std::to_string(notify)),
                       fmt::format("timer {} tells of its end in no known way", timer->it_id()));
    }
    if (notify == kThreadId && timer->notify_thread_id() && process != nullptr &&
        facts.process_of(static_cast<std::uint32_t>(*timer->notify_thread_id())) != process) {
      facts.report.add(
          RuleId::CORE_12,
          facts.at(record, "tc.timers.posix.notify_thread_id",
                   std::to_string(*timer->notify_thread_id())),
          fmt::format("timer {} signals a thread that the process does not have", timer->it_id()));
    }
  }
  std::sort(ids.begin(), ids.end());
  const auto twice = std::adjacent_find(ids.begin(), ids.end());
  if (twice != ids.end()) {
    facts.report.add(RuleId::CORE_12,
                     facts.at(record, "tc.timers.posix.it_id", std::to_string(*twice)),
                     fmt::format("two timers have the id {}", *twice));
  }
}

void judge_timers(Facts& facts, const Record& record, const schema::TaskTimersEntry& timers,
                  const Process* process) {
  judge_itimer(facts, record, "tc.timers.real", *timers.real());
  judge_itimer(facts, record, "tc.timers.virt", *timers.virt());
  judge_itimer(facts, record, "tc.timers.prof", *timers.prof());
  if (timers.posix() != nullptr) {
    judge_posix_timers(facts, record, {timers.posix()->begin(), timers.posix()->end()}, process);
  }
}

}  // namespace img::check
