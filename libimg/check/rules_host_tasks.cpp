// SPDX-License-Identifier: MIT
// PST-9, PST-10, CORE-2, CORE-11, THR-4, THR-7, CPU-3, CPU-4, FDI-1, MM-12, LSM-1, USR-1, PIP-2:
// whether the machine has room for the processes, and the processor and kernel that they had.
#include <fmt/core.h>

#include <chrono>
#include <thread>

#include "libimg/check/facts.h"
#include "libimg/check/host.h"
#include "libimg/check/vma.h"
#include "schema/core_generated.h"
#include "schema/cpuinfo_generated.h"
#include "schema/mm_generated.h"
#include "schema/pipes_generated.h"

namespace img::check {
namespace {

constexpr std::uint32_t kOpenFiles = 7;  // RLIMIT_NOFILE
constexpr std::uint32_t kRseqKernel = 5 << 8 | 13;
constexpr std::uint32_t kVdso = 1U << 3;

class HostTaskRules : public RuleSet {
 public:
  explicit HostTaskRules(Facts& facts) : facts_(facts), host_(*facts.host) {
    nr_open_ = host_.number("proc/sys/fs/nr_open");
    last_capability_ = host_.number("proc/sys/kernel/cap_last_cap");
    pipe_max_ = host_.number("proc/sys/fs/pipe-max-size");
    pid_max_ = host_.number("proc/sys/kernel/pid_max").value_or(UINT64_MAX);
  }

  void record(const Record& record) override {
    if (record.key.seq == 0) {
      return;
    }
    switch (record.key.file.kind) {
      case Kind::core: core(record, *record.as<schema::CoreEntry>()); break;
      case Kind::cpuinfo: processor(record, *record.as<schema::CpuinfoEntry>()); break;
      case Kind::fdinfo: descriptor(record, *record.as<schema::FdinfoEntry>()); break;
      case Kind::mm: vdso(record, *record.as<schema::MmEntry>()); break;
      case Kind::pipes_data:
      case Kind::fifo_data: pipe(record, *record.as<schema::PipeDataEntry>()); break;
      default: break;
    }
  }

  void finish() override {
    if (!facts_.is_predump && !facts_.tree.processes().empty()) {
      ids();
      session();
    }
  }

 private:
  [[nodiscard]] Where at(std::size_t position, const char* field, std::uint64_t value) const {
    return facts_.at({Kind::pstree, 0}, position + 1, field, std::to_string(value));
  }

  /// A restore gives every process and thread the id it had.
  void ids() {
    const Process& root = facts_.tree.processes()[0];
    if (facts_.has_root_ids && root.ids.pid_ns != 0 && root.ids.pid_ns != facts_.root_ids.pid_ns) {
      return;  // in a pid namespace that is new
    }
    if (host_.ids_in_use() == nullptr) {
      facts_.report.not_asked(RuleId::PST_10, "/proc does not show all processes");
      return;
    }
    std::vector<Wanted> wanted;
    const auto processes = facts_.tree.processes();
    for (std::size_t i = 0; i < processes.size(); ++i) {
      wanted.push_back({i, "pid", processes[i].pid});
      const auto threads = facts_.tree.threads(processes[i]);
      for (std::size_t t = 1; t < threads.size() && !processes[i].is_zombie(); ++t) {
        wanted.push_back({i, "threads", threads[t]});
      }
    }
    judge(std::move(wanted));
  }

  struct Wanted {
    std::size_t position = 0;
    const char* field = "";
    std::uint32_t id = 0;
  };

  /// Those that the dump killed a moment ago may still wait for their parents to take note.
  void judge(std::vector<Wanted> wanted) {
    constexpr int kTries = 4;
    for (int i = 0; i < kTries && !wanted.empty(); ++i) {
      if (i != 0) {
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        host_.forget_ids();
      }
      const auto* used = host_.ids_in_use();
      std::erase_if(wanted, [&](const Wanted& one) {
        return one.id < pid_max_ &&
               (used == nullptr || (!used->contains(one.id) && !host_.is_thread(one.id)));
      });
    }
    for (const Wanted& one : wanted) {
      const Where where = at(one.position, one.field, one.id);
      if (one.id >= pid_max_) {
        facts_.report.add(
            RuleId::PST_10, where,
            fmt::format("{} is above this machine's kernel.pid_max ({})", one.id, pid_max_));
      } else if (host_.is_zombie(one.id)) {
        facts_.report.add_plain(RuleId::PST_10, Severity::warning, where,
                                fmt::format("{} has ended on this machine, and its parent has not "
                                            "taken note: until then the id is not free",
                                            one.id));
      } else {
        facts_.report.add(RuleId::PST_10, where,
                          fmt::format("{} is in use on this machine: wait, or restore in a new pid "
                                      "namespace (unshare --pid --fork --mount-proc)",
                                      one.id));
      }
    }
  }

  /// --shell-job puts the tree into the session and group of who calls criu: here, of who asks.
  void session() {
    const Process& root = facts_.tree.processes()[0];
    const std::uint32_t here = host_.machine().sid;
    if (!facts_.given.has({"shell-job", {}, {}}) || here == 0 || root.sid == here ||
        root.sid == root.pid) {
      return;
    }
    const auto processes = facts_.tree.processes();
    for (std::size_t i = 0; i < processes.size(); ++i) {
      const Process& process = processes[i];
      for (const auto& [field, id] : {std::pair{"pid", process.pid}, std::pair{"sid", process.sid},
                                      std::pair{"pgid", process.pgid}}) {
        if (id == here) {
          facts_.report.add(RuleId::PST_9, at(i, field, id),
                            fmt::format("is the session that this terminal has now ({}): restore "
                                        "from another one",
                                        here));
          return;
        }
      }
    }
  }

  void core(const Record& record, const schema::CoreEntry& core) {
    const Machine& machine = host_.machine();
    if (machine.is_x86_64 != (core.mtype() == schema::March::X86_64)) {
      facts_.report.add(RuleId::CORE_2,
                        facts_.at(record, "mtype", std::to_string(static_cast<int>(core.mtype()))),
                        "is another kind of machine than this one");
      return;
    }
    if (core.thread_info() != nullptr && core.thread_info()->fpregs()->xsave() != nullptr) {
      xsave(record, *core.thread_info()->fpregs()->xsave());
    }
    if (core.thread_core() != nullptr) {
      thread(record, *core.thread_core());
    }
    if (core.tc() != nullptr && core.tc()->rlimits() != nullptr) {
      limits(record, *core.tc()->rlimits());
    }
  }

  void xsave(const Record& record, const schema::UserX86XsaveEntry& state) {
    constexpr std::uint64_t kSupervisor = 1ULL << 63 | 1ULL << 62 | 1ULL << 11 | 1ULL << 12;
    const std::uint64_t features = host_.machine().xfeatures;
    const std::uint64_t missing = state.xstate_bv() & ~kSupervisor & ~features;
    if (features == 0) {
      facts_.report.not_asked(RuleId::CPU_3, "the processor does not tell its states");
    } else if (missing != 0) {
      facts_.report.add(
          RuleId::CPU_3,
          facts_.at(record, "thread_info.fpregs.xsave.xstate_bv",
                    fmt::format("0x{:x}", state.xstate_bv())),
          fmt::format("the thread uses registers that this processor does not have (0x{:x})",
                      missing));
    }
    if (state.cet() != nullptr && state.cet()->cet() != 0) {
      const auto cpu = host_.text("proc/cpuinfo");
      if (cpu && cpu->find("user_shstk") == std::string::npos) {
        facts_.report.add(RuleId::CPU_4, facts_.at(record, "thread_info.fpregs.xsave.cet"),
                          "the thread has a shadow stack, and this machine has none for programs");
      }
    }
  }

  void thread(const Record& record, const schema::ThreadCoreEntry& thread) {
    const std::uint32_t kernel = host_.machine().kernel;
    if (thread.rseq_entry() != nullptr && thread.rseq_entry()->rseq_abi_pointer() != 0 &&
        kernel != 0 && kernel < kRseqKernel) {
      facts_.report.add(RuleId::THR_7, facts_.at(record, "thread_core.rseq_entry"),
                        "restartable sequences cannot be put back on this kernel (before 5.13)");
    }
    if (thread.creds() == nullptr) {
      return;
    }
    capabilities(record, *thread.creds());
    constexpr std::uint32_t kKnownSecurebits = 0xff;
    if ((thread.creds()->secbits() & ~kKnownSecurebits) != 0) {
      facts_.report.add(RuleId::USR_1,
                        facts_.at(record, "thread_core.creds.secbits",
                                  fmt::format("0x{:x}", thread.creds()->secbits())),
                        "has bits that no kernel knows");
    }
    const auto* profile = thread.creds()->lsm_profile();
    if (profile != nullptr && profile->size() != 0 && facts_.lsm != 0 &&
        facts_.lsm != security_module()) {
      facts_.report.add(RuleId::LSM_1,
                        facts_.at(record, "thread_core.creds.lsm_profile", profile->str()),
                        "is a profile of a security module that this machine does not run");
    }
  }

  /// As InventoryEntry.lsmtype.
  [[nodiscard]] std::uint32_t security_module() const {
    return host_.has("sys/fs/selinux/enforce")                  ? 1
           : host_.has("sys/kernel/security/apparmor/profiles") ? 2
                                                                : 0;
  }

  void capabilities(const Record& record, const schema::CredsEntry& creds) {
    constexpr std::uint64_t kWord = 32;
    for (const auto& [name, words] :
         {std::pair{"cap_prm", creds.cap_prm()}, std::pair{"cap_eff", creds.cap_eff()},
          std::pair{"cap_inh", creds.cap_inh()}}) {
      if (words == nullptr || words->size() != 2 || !last_capability_) {
        continue;
      }
      const std::uint64_t set = words->Get(0) | static_cast<std::uint64_t>(words->Get(1)) << kWord;
      if (*last_capability_ < 63 && set >> (*last_capability_ + 1) != 0) {
        facts_.report.add(RuleId::THR_4,
                          facts_.at(record, fmt::format("thread_core.creds.{}", name),
                                    fmt::format("0x{:x}", set)),
                          fmt::format("this kernel knows capabilities up to {}: those above are "
                                      "lost",
                                      *last_capability_));
      }
    }
  }

  void limits(const Record& record, const schema::TaskRlimitsEntry& limits) {
    const Machine& machine = host_.machine();
    if (!machine.is_root) {
      facts_.report.not_asked(RuleId::CORE_11,
                              "root restores, and has other limits than this user");
      return;
    }
    const std::size_t count =
        limits.rlimits() == nullptr
            ? 0
            : std::min<std::size_t>(limits.rlimits()->size(), machine.hard_limits.size());
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint64_t wanted = limits.rlimits()->Get(static_cast<unsigned>(i))->max();
      const Where where = facts_.at(record, "tc.rlimits.rlimits.max", std::to_string(wanted));
      if (i == kOpenFiles && nr_open_ && wanted > *nr_open_) {
        facts_.report.add(
            RuleId::CORE_11, where,
            fmt::format("limit {} is above this machine's fs.nr_open ({})", i, *nr_open_));
      } else if (wanted > machine.hard_limits[i] && !machine.may_raise_limits) {
        facts_.report.add(RuleId::CORE_11, where,
                          fmt::format("limit {} is above root's here ({}), which may not raise it",
                                      i, machine.hard_limits[i]));
      }
    }
  }

  /// criu restore looks at this file only with --cpu-cap.
  void processor(const Record& record, const schema::CpuinfoEntry& entry) {
    if (entry.x86_entry() == nullptr || entry.x86_entry()->size() == 0) {
      return;
    }
    const auto mask = entry.x86_entry()->Get(0)->xfeatures_mask();
    const std::uint64_t features = host_.machine().xfeatures;
    if (mask && features != 0 && (*mask & ~features) != 0) {
      facts_.report.add(RuleId::CPU_3,
                        facts_.given.has({"cpu-cap", {}, {}}) ? Severity::error : Severity::warning,
                        facts_.at(record, "x86_entry.xfeatures_mask", fmt::format("0x{:x}", *mask)),
                        fmt::format("this processor lacks states that the other had (0x{:x})",
                                    *mask & ~features));
    }
  }

  void descriptor(const Record& record, const schema::FdinfoEntry& entry) {
    if (nr_open_ && entry.fd() >= *nr_open_) {
      facts_.report.add(RuleId::FDI_1, facts_.at(record, "fd", std::to_string(entry.fd())),
                        fmt::format("is above this machine's fs.nr_open ({})", *nr_open_));
    }
  }

  void pipe(const Record& record, const schema::PipeDataEntry& entry) {
    const Machine& machine = host_.machine();
    if (machine.is_root && !machine.may_raise_limits && pipe_max_ &&
        entry.size().value_or(0) > *pipe_max_) {
      facts_.report.add(RuleId::PIP_2, facts_.at(record, "size", std::to_string(*entry.size())),
                        fmt::format("is above this machine's fs.pipe-max-size ({})", *pipe_max_));
    }
  }

  void vdso(const Record& record, const schema::MmEntry& mm) {
    for (flatbuffers::uoffset_t i = 0; mm.vmas() != nullptr && i < mm.vmas()->size(); ++i) {
      const schema::VmaEntry& entry = *mm.vmas()->Get(i);
      const std::uint64_t size = entry.end() - entry.start();
      if (vma::is(entry, kVdso) && host_.machine().vdso_size != 0 &&
          size != host_.machine().vdso_size && !is_vdso_told_) {
        is_vdso_told_ = true;
        facts_.report.add(RuleId::MM_12, facts_.at(record, "vmas.end", std::to_string(size)),
                          fmt::format("this kernel's vdso has {} bytes: the old one stays, and "
                                      "calls the new",
                                      host_.machine().vdso_size));
      }
    }
  }

  Facts& facts_;
  const Host& host_;
  std::optional<std::uint64_t> nr_open_;
  std::optional<std::uint64_t> last_capability_;
  std::optional<std::uint64_t> pipe_max_;
  std::uint64_t pid_max_ = 0;
  bool is_vdso_told_ = false;
};

}  // namespace

std::unique_ptr<RuleSet> host_task_rules(Facts& facts) {
  return std::make_unique<HostTaskRules>(facts);
}

}  // namespace img::check
