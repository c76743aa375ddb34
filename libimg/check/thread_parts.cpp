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

using Capabilities = flatbuffers::Vector<std::uint32_t>;

/// What the kernel keeps true of every thread, and capset() insists on.
void subset(Facts& facts, const Record& record, const char* name, const Capabilities* part,
            const char* of, const Capabilities* whole) {
  for (flatbuffers::uoffset_t i = 0; part != nullptr && i < part->size(); ++i) {
    const std::uint32_t most = whole != nullptr && i < whole->size() ? whole->Get(i) : 0;
    if ((part->Get(i) & ~most) != 0) {
      facts.report.add(RuleId::THR_3,
                       facts.at(record, fmt::format("thread_core.creds.{}[{}]", name, i),
                                fmt::format("0x{:x}", part->Get(i))),
                       fmt::format("has capabilities that are not in {} (0x{:x}), which no thread "
                                   "can have",
                                   of, most));
      return;
    }
  }
}

void identity(Facts& facts, const Record& record, const schema::CredsEntry& creds) {
  const std::tuple<const char*, std::uint32_t, Severity> ids[] = {
      {"uid", creds.uid(), Severity::warning},   {"euid", creds.euid(), Severity::warning},
      {"suid", creds.suid(), Severity::warning}, {"gid", creds.gid(), Severity::warning},
      {"egid", creds.egid(), Severity::warning}, {"sgid", creds.sgid(), Severity::warning},
      {"fsuid", creds.fsuid(), Severity::error}, {"fsgid", creds.fsgid(), Severity::error},
  };
  for (const auto& [name, id, severity] : ids) {
    if (id != UINT32_MAX) {
      continue;
    }
    const Where where =
        facts.at(record, fmt::format("thread_core.creds.{}", name), std::to_string(id));
    if (severity == Severity::error) {
      facts.report.add(RuleId::THR_3, where, "is nobody's id");
    } else {
      facts.report.add_plain(RuleId::THR_3, severity, where,
                             "means 'as it is' to the kernel: the thread keeps the id that criu "
                             "restore runs with");
    }
  }
  if (creds.no_new_privs().value_or(0) > 1) {
    facts.report.add(
        RuleId::THR_3,
        facts.at(record, "thread_core.creds.no_new_privs", std::to_string(*creds.no_new_privs())),
        "is neither 0 nor 1");
  }
  constexpr std::uint32_t kSecureBits = 0xff;
  if ((creds.secbits() & ~kSecureBits) != 0) {
    facts.report.add(
        RuleId::THR_3,
        facts.at(record, "thread_core.creds.secbits", fmt::format("0x{:x}", creds.secbits())),
        "has bits that the kernel does not have");
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
  subset(facts, record, "cap_eff", creds.cap_eff(), "cap_prm", creds.cap_prm());
  subset(facts, record, "cap_amb", creds.cap_amb(), "cap_prm", creds.cap_prm());
  subset(facts, record, "cap_amb", creds.cap_amb(), "cap_inh", creds.cap_inh());
  identity(facts, record, creds);
}

/// What set_robust_list() and rseq() take.
void registrations(Facts& facts, const Record& record, const schema::ThreadCoreEntry& thread) {
  constexpr std::uint32_t kListHead = 24;  // struct robust_list_head of a 64-bit kernel
  constexpr std::uint32_t kRseq = 32;
  if (thread.futex_rla_len() != 0 && thread.futex_rla_len() != kListHead) {
    facts.report.add(
        RuleId::THR_6,
        facts.at(record, "thread_core.futex_rla_len", std::to_string(thread.futex_rla_len())),
        "is not the length of a list of robust futexes (24)");
  }
  const schema::RseqEntry* rseq = thread.rseq_entry();
  if (rseq == nullptr || rseq->rseq_abi_pointer() == 0) {
    return;
  }
  if (rseq->rseq_abi_size() < kRseq) {
    facts.report.add(RuleId::THR_6,
                     facts.at(record, "thread_core.rseq_entry.rseq_abi_size",
                              std::to_string(rseq->rseq_abi_size())),
                     "is less than the kernel takes (32)");
  } else if (rseq->rseq_abi_pointer() % kRseq != 0) {
    facts.report.add(RuleId::THR_6,
                     facts.at(record, "thread_core.rseq_entry.rseq_abi_pointer",
                              fmt::format("0x{:x}", rseq->rseq_abi_pointer())),
                     "is not a multiple of 32, as the kernel wants it");
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
  registrations(facts, record, thread);
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
    constexpr std::uint32_t kLastId = INT32_MAX;
    constexpr std::uint32_t kClocks = 16;  // MAX_CLOCKS; CPU clocks of others are negative
    if (timer->it_id() > kLastId) {
      facts.report.add(RuleId::CORE_12,
                       facts.at(record, "tc.timers.posix.it_id", std::to_string(timer->it_id())),
                       "is no id of a timer");
    }
    if (timer->clock_id() >= kClocks && timer->clock_id() <= kLastId) {
      facts.report.add(
          RuleId::CORE_12,
          facts.at(record, "tc.timers.posix.clock_id", std::to_string(timer->clock_id())),
          fmt::format("timer {} runs by no clock", timer->it_id()));
    }
    const std::uint32_t notify = timer->it_sigev_notify();
    if (notify != kNone && (timer->si_signo() == 0 || timer->si_signo() > kSignals)) {
      facts.report.add(
          RuleId::CORE_12,
          facts.at(record, "tc.timers.posix.si_signo", std::to_string(timer->si_signo())),
          fmt::format("timer {} sends no signal that there is", timer->it_id()));
    }
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
