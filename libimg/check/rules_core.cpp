// SPDX-License-Identifier: MIT
// CORE-*, EXIT-*, THR-*: what is known of each task and thread.
#include <fmt/core.h>

#include "libimg/check/core_parts.h"

namespace img::check {
namespace {

using schema::March;

constexpr std::uint32_t kSignals = 64;
constexpr std::size_t kMaxComm = 15;
constexpr std::size_t kRlimits = 16;

/// Signals that do not end a process by themselves: CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH.
bool ends_a_process(std::uint32_t signal) {
  switch (signal) {
    case 17:
    case 18:
    case 19:
    case 20:
    case 21:
    case 22:
    case 23:
    case 28: return false;
    default: return true;
  }
}

/// The thread_info of the architecture that the core says it is of.
bool has_registers(const schema::CoreEntry& core) {
  switch (core.mtype()) {
    case March::X86_64: return core.thread_info() != nullptr;
    case March::ARM: return core.ti_arm() != nullptr;
    case March::AARCH64: return core.ti_aarch64() != nullptr;
    case March::PPC64: return core.ti_ppc64() != nullptr;
    case March::S390: return core.ti_s390() != nullptr;
    case March::MIPS: return core.ti_mips() != nullptr;
    case March::LOONGARCH64: return core.ti_loongarch64() != nullptr;
    case March::RISCV64: return core.ti_riscv64() != nullptr;
    default: return false;
  }
}

class CoreRules : public RuleSet {
 public:
  explicit CoreRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    const auto id = static_cast<std::uint32_t>(record.key.file.id);
    switch (record.key.file.kind) {
      case Kind::core: core(record, *record.as<schema::CoreEntry>()); break;
      case Kind::zombie: zombie(record, *record.as<schema::Zombie>()); break;
      case Kind::signal_s:
      case Kind::signal_p:
        judge_siginfo(facts_, record, "siginfo", *record.as<schema::SiginfoEntry>());
        break;
      case Kind::itimers:
        judge_itimer(facts_, record, "timer", *record.as<schema::ItimerEntry>());
        break;
      case Kind::posix_timers:
        judge_posix_timers(facts_, record, {record.as<schema::PosixTimerEntry>()},
                           facts_.tree.find(id));
        break;
      case Kind::sigacts: ++sigacts_[id]; break;
      default: break;
    }
  }

  void finish() override {
    for (const Process& process : facts_.tree.processes()) {
      cores_are_there(process);
      if (process.has_core && !process.is_zombie() && facts_.is_whole(Kind::core)) {
        files_are_there(process);
      }
    }
    for (const auto& [pid, where] : without_sigactions_) {
      const auto old = sigacts_.find(pid);
      if (old == sigacts_.end() || old->second != kSignals - 2) {
        facts_.report.add(RuleId::CORE_9, where,
                          "no signal actions, neither here nor in a sigacts file");
      }
    }
  }

 private:
  void cores_are_there(const Process& process) {
    if (process.pid != 0 && !facts_.has(Kind::core, process.pid) &&
        !facts_.has(Kind::zombie, process.pid)) {
      facts_.report.add(RuleId::CORE_1, facts_.at({Kind::core, process.pid}),
                        fmt::format("is not there, and process {} needs it", process.pid));
      return;
    }
    const auto threads = facts_.tree.threads(process);
    for (std::size_t i = 1; i < threads.size() && !process.is_zombie(); ++i) {
      if (!facts_.has(Kind::core, threads[i]) && threads[i] != process.pid) {
        facts_.report.add(RuleId::CORE_1, facts_.at({Kind::core, threads[i]}),
                          fmt::format("is not there, and thread {} of process {} needs it",
                                      threads[i], process.pid));
      }
    }
  }

  void files_are_there(const Process& process) {
    for (const Kind kind : {Kind::mm, Kind::fs, Kind::pagemap}) {
      if (!facts_.has(kind, process.pid)) {
        facts_.report.add(RuleId::CORE_5, facts_.at({kind, process.pid}),
                          fmt::format("is not there, and process {} needs it", process.pid));
      }
    }
    if (!process.has_ids && !facts_.has(Kind::ids, process.pid)) {
      facts_.report.add(
          RuleId::CORE_5, facts_.at({Kind::ids, process.pid}),
          fmt::format("is not there, nor are ids in the core of process {}", process.pid));
    }
  }

  void core(const Record& record, const schema::CoreEntry& core) {
    const auto tid = static_cast<std::uint32_t>(record.key.file.id);
    const Process* process = facts_.process_of(tid);
    architecture(record, static_cast<std::uint32_t>(core.mtype()));
    if (process != nullptr && process->pid != tid) {
      thread(record, core);
    } else if (core.tc() == nullptr && process == nullptr) {
      // A thread of a process that pstree.img does not have: an orphan, told of elsewhere.
    } else if (core.tc() == nullptr) {
      facts_.report.add(RuleId::CORE_3, facts_.at(record, "tc"),
                        "is not set in the core of a process");
    } else {
      task(record, core, *core.tc(), process);
    }
    if (core.thread_info() != nullptr && core.mtype() == March::X86_64) {
      judge_x86(facts_, record, *core.thread_info());
    }
    if (core.thread_core() != nullptr) {
      judge_thread(facts_, record, *core.thread_core(), process);
    }
  }

  void architecture(const Record& record, std::uint32_t mtype) {
    constexpr auto kFirst = static_cast<std::uint32_t>(March::X86_64);
    constexpr auto kLast = static_cast<std::uint32_t>(March::RISCV64);
    if (mtype < kFirst || mtype > kLast) {
      facts_.report.add(RuleId::CORE_2, facts_.at(record, "mtype", std::to_string(mtype)),
                        "is no architecture");
    } else if (facts_.mtype == 0) {
      facts_.mtype = mtype;
    } else if (facts_.mtype != mtype) {
      facts_.report.add(RuleId::CORE_2, facts_.at(record, "mtype", std::to_string(mtype)),
                        fmt::format("other tasks are of architecture {}", facts_.mtype));
    }
  }

  void thread(const Record& record, const schema::CoreEntry& core) {
    if (core.tc() != nullptr) {
      facts_.report.add(RuleId::THR_1, facts_.at(record, "tc"),
                        "is set in the core of a thread, and belongs to a process");
    }
    if (core.ids() != nullptr) {
      facts_.report.add(RuleId::THR_1, facts_.at(record, "ids"),
                        "is set in the core of a thread, and belongs to a process");
    }
    if (core.thread_core() == nullptr) {
      facts_.report.add(RuleId::THR_1, facts_.at(record, "thread_core"), "is not set");
    }
    if (!has_registers(core)) {
      facts_.report.add(RuleId::THR_1, facts_.at(record, "thread_info"),
                        "no registers of the thread's architecture");
    }
  }

  void task(const Record& record, const schema::CoreEntry& core, const schema::TaskCoreEntry& tc,
            const Process* process) {
    constexpr std::uint32_t kAlive = 1;
    constexpr std::uint32_t kDead = 2;
    constexpr std::uint32_t kStopped = 3;
    comm(record, "tc.comm", *tc.comm());
    if (tc.task_state() == kDead) {
      // A plain zombie comes as a record of its own: this one says more than a zombie can.
      exit_code(record, "tc.exit_code", tc.exit_code());
      facts_.report.add(RuleId::PST_5, facts_.at(record, "thread_core"),
                        "a zombie with registers or more, which none has");
      return;
    }
    if (tc.task_state() != kAlive && tc.task_state() != kStopped) {
      facts_.report.add(RuleId::CORE_4,
                        facts_.at(record, "tc.task_state", std::to_string(tc.task_state())),
                        "is neither alive (1) nor a zombie (2) nor stopped (3)");
      return;
    }
    if (core.thread_core() == nullptr) {
      facts_.report.add(RuleId::CORE_5, facts_.at(record, "thread_core"),
                        "is not set in the core of a living process");
    }
    if (!has_registers(core)) {
      facts_.report.add(RuleId::CORE_5, facts_.at(record, "thread_info"),
                        "no registers of the task's architecture");
    }
    if (tc.exit_code() != 0) {
      facts_.report.add(RuleId::CORE_7,
                        facts_.at(record, "tc.exit_code", std::to_string(tc.exit_code())),
                        "a living process has no exit code");
    }
    if (tc.task_state() == kStopped && tc.stop_signo() &&
        (*tc.stop_signo() == 0 || *tc.stop_signo() > kSignals)) {
      facts_.report.add(RuleId::CORE_6,
                        facts_.at(record, "tc.stop_signo", std::to_string(*tc.stop_signo())),
                        "is no signal");
    }
    limits(record, tc);
    settings(record, tc, process);
  }

  void limits(const Record& record, const schema::TaskCoreEntry& tc) {
    const auto* entries = tc.rlimits() == nullptr ? nullptr : tc.rlimits()->rlimits();
    if (entries == nullptr) {
      return;
    }
    if (entries->size() > kRlimits) {
      facts_.report.add(
          RuleId::CORE_10, facts_.at(record, "tc.rlimits", std::to_string(entries->size())),
          fmt::format("{} resource limits, where the kernel has {}", entries->size(), kRlimits));
    }
    for (flatbuffers::uoffset_t i = 0; i < entries->size(); ++i) {
      if (entries->Get(i)->cur() > entries->Get(i)->max()) {
        facts_.report.add(
            RuleId::CORE_10,
            facts_.at(record, "tc.rlimits.cur", std::to_string(entries->Get(i)->cur())),
            fmt::format("limit {} is above its maximum {}", i, entries->Get(i)->max()));
      }
    }
  }

  void settings(const Record& record, const schema::TaskCoreEntry& tc, const Process* process) {
    constexpr std::uint32_t kKnownPersonality = 0x0fff00ff;
    constexpr std::uint32_t kMembarriers = 0x3ff;
    const std::size_t actions = tc.sigactions() == nullptr ? 0 : tc.sigactions()->size();
    const std::size_t wanted =
        facts_.mtype == static_cast<std::uint32_t>(March::MIPS) ? 128 - 2 : kSignals - 2;
    if (actions == 0) {
      without_sigactions_.emplace(static_cast<std::uint32_t>(record.key.file.id),
                                  facts_.at(record, "tc.sigactions", "0"));
    } else if (actions != wanted) {
      facts_.report.add(RuleId::CORE_9, facts_.at(record, "tc.sigactions", std::to_string(actions)),
                        fmt::format("{} signal actions, not {}", actions, wanted));
    }
    if ((tc.personality() & ~kKnownPersonality) != 0) {
      facts_.report.add(
          RuleId::CORE_14,
          facts_.at(record, "tc.personality", fmt::format("0x{:x}", tc.personality())),
          "has bits that no personality has");
    }
    const std::int32_t oom = tc.oom_score_adj().value_or(0);
    if (oom < -1000 || oom > 1000) {
      facts_.report.add(RuleId::CORE_14, facts_.at(record, "tc.oom_score_adj", std::to_string(oom)),
                        "is not within -1000 to 1000");
    }
    if ((tc.membarrier_registration_mask().value_or(0) & ~kMembarriers) != 0) {
      facts_.report.add(RuleId::CORE_14,
                        facts_.at(record, "tc.membarrier_registration_mask",
                                  fmt::format("0x{:x}", *tc.membarrier_registration_mask())),
                        "has bits that no membarrier command has");
    }
    if (tc.timers() != nullptr) {
      judge_timers(facts_, record, *tc.timers(), process);
    }
    if (tc.signals_s() != nullptr) {
      judge_signals(facts_, record, "tc.signals_s", *tc.signals_s());
    }
  }

  void zombie(const Record& record, const schema::Zombie& zombie) {
    architecture(record, static_cast<std::uint32_t>(zombie.arch()));
    comm(record, "tc.comm", *zombie.comm());
    exit_code(record, "tc.exit_code", zombie.exit_code());
  }

  void comm(const Record& record, const char* field, const flatbuffers::String& text) {
    if (text.size() > kMaxComm) {
      facts_.report.add(RuleId::CORE_8, facts_.at(record, field, text.str()),
                        fmt::format("a name of {} bytes: the kernel keeps 15", text.size()));
    }
  }

  void exit_code(const Record& record, const char* field, std::uint32_t code) {
    const std::uint32_t signal = code & 0x7f;
    const std::uint32_t status = code >> 8;
    const Where where = facts_.at(record, field, fmt::format("0x{:x}", code));
    if (code >= 0x10000) {
      facts_.report.add(RuleId::EXIT_1, where, "no process ends with more than 16 bits");
    } else if (signal == 0 && (code & 0x80) != 0) {
      facts_.report.add(RuleId::EXIT_2, where, "dumped core without a signal");
    } else if (signal != 0 && status != 0) {
      facts_.report.add(
          RuleId::EXIT_2, where,
          fmt::format("killed by signal {} and ended with status {} at once", signal, status));
    } else if (signal > kSignals) {
      facts_.report.add(RuleId::EXIT_2, where,
                        signal == 0x7f ? "says stopped, which is no end"
                                       : fmt::format("killed by {}, which is no signal", signal));
    } else if (status >= 128 && facts_.restorer != Restorer::stasis) {
      facts_.report.add(RuleId::EXIT_3, where,
                        fmt::format("status {} comes back as {}", status, status & 0x7f));
    } else if (signal != 0 && !ends_a_process(signal)) {
      facts_.report.add(RuleId::EXIT_4, where,
                        fmt::format("signal {} kills nobody: it comes back as SIGABRT", signal));
    } else if ((code & 0x80) != 0) {
      facts_.report.add(RuleId::EXIT_4, Severity::note, where,
                        "the mark that it dumped core is lost");
    }
  }

  Facts& facts_;
  std::unordered_map<std::uint32_t, std::uint64_t> sigacts_;  // old files, by pid
  std::unordered_map<std::uint32_t, Where> without_sigactions_;
};

}  // namespace

std::unique_ptr<RuleSet> core_rules(Facts& facts) {
  return std::make_unique<CoreRules>(facts);
}

}  // namespace img::check
