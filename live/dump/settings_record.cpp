// SPDX-License-Identifier: MIT
#include "live/dump/settings_record.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "live/arch/x86_64/thread_info.h"
#include "schema/settings_generated.h"

namespace img::dump {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;
using state::Piece;

// What everybody has who has set nothing.
constexpr std::uint64_t kCoreFilter = 0x33;
constexpr std::uint64_t kTimerSlack = 50'000;

constexpr int kOneTask = 1;                        // IOPRIO_WHO_PROCESS
constexpr int kIoClassShift = 13;                  // IOPRIO_CLASS_SHIFT
constexpr std::uint32_t kIoFlusher = 0x0008'0000;  // PF_MEMALLOC_NOIO, of /proc/TID/stat
constexpr std::size_t kCpuWords = 128;

using CpuWords = std::vector<std::uint64_t>;

CpuWords cpus_of(pid_t tid) {
  CpuWords out(kCpuWords);
  const long bytes =
      ::syscall(SYS_sched_getaffinity, tid, out.size() * sizeof(std::uint64_t), out.data());
  out.resize(static_cast<std::size_t>(std::max(bytes, 0L)) / sizeof(std::uint64_t));
  while (!out.empty() && out.back() == 0) {
    out.pop_back();
  }
  return out;
}

// All that are online: what a task has that is bound to none.
bool is_bound(const CpuWords& cpus) {
  long count = 0;
  for (const std::uint64_t word : cpus) {
    count += __builtin_popcountll(word);
  }
  return count != 0 && count != ::sysconf(_SC_NPROCESSORS_ONLN);
}

std::optional<std::uint64_t> number_in(const procfs::ProcDir& dir, const char* file, int base) {
  const auto text = dir.read(file);
  std::uint64_t value = 0;
  if (!text ||
      std::from_chars(text->data(), text->data() + text->size(), value, base).ec != std::errc{}) {
    return std::nullopt;
  }
  return value;
}

// "/autogroup-17 nice 5"
std::int32_t autogroup_nice(const trace::FrozenProcess& process) {
  const auto text = process.dir.read("autogroup");
  const std::size_t at = text ? text->find("nice ") : std::string::npos;
  std::int32_t nice = 0;
  if (at != std::string::npos && process.stat.session == process.pid()) {
    std::from_chars(text->data() + at + 5, text->data() + text->size(), nice);
  }
  return nice;
}

/// One thread: what is asked from outside is asked first, and so is whether anything is to be said.
class ThreadSettingsWriter {
 public:
  ThreadSettingsWriter(FlatBufferBuilder& builder, const ThreadSettingsFacts& facts)
      : builder_(builder), facts_(facts) {}

  [[nodiscard]] Result<void> ask(const trace::Tracee& thread, const procfs::ProcDir& dir,
                                 const arch::XsaveLayout& xsave) {
    tid_ = thread.tid();
    cpus_ = cpus_of(tid_);
    if (!is_bound(cpus_)) {
      cpus_.clear();
    }
    const long priority = ::syscall(SYS_ioprio_get, kOneTask, tid_);
    if (priority > 0 && priority >> kIoClassShift != 0) {
      io_priority_ = static_cast<std::uint32_t>(priority);
    }
    IMG_ASSIGN(dispatch_, thread.user_dispatch());
    IMG_ASSIGN(const procfs::Stat stat, dir.stat());
    is_io_flusher_ = (stat.flags & kIoFlusher) != 0;
    IMG_ASSIGN(std::vector<std::byte> bytes, thread.xstate());
    IMG_ASSIGN(const arch::Xstate all, arch::Xstate::take(std::move(bytes), xsave));
    xstate_ = arch::parts_without_place(all);
    return {};
  }

  [[nodiscard]] bool is_needed() const {
    return !cpus_.empty() || io_priority_ != 0 || has_slack() || dispatch_.mode != 0 ||
           facts_.memory_policy != 0 || !facts_.speculation.empty() || has_tsc() ||
           has_machine_check() || is_io_flusher_ || facts_.cpuid_faults || !xstate_.empty();
  }

  [[nodiscard]] Offset<schema::ThreadSettings> write() {
    const auto cpus = builder_.CreateVector(cpus_);
    const auto dispatch = schema::CreateUserDispatch(builder_, dispatch_.mode, dispatch_.selector,
                                                     dispatch_.offset, dispatch_.bytes);
    const auto policy =
        schema::CreateMemoryPolicyDirect(builder_, facts_.memory_policy, &facts_.nodes);
    const auto speculation = write_speculation();
    const auto xstate = write_xstate();
    schema::ThreadSettingsBuilder out(builder_);
    out.add_tid(static_cast<std::uint32_t>(tid_));
    if (!cpus_.empty()) {
      out.add_cpus(cpus);
    }
    if (io_priority_ != 0) {
      out.add_io_priority(io_priority_);
    }
    if (has_slack()) {
      out.add_timer_slack(facts_.timer_slack);
    }
    if (dispatch_.mode != 0) {
      out.add_user_dispatch(dispatch);
    }
    if (facts_.memory_policy != 0) {
      out.add_memory_policy(policy);
    }
    if (!facts_.speculation.empty()) {
      out.add_speculation(speculation);
    }
    if (has_tsc()) {
      out.add_tsc(facts_.tsc);
    }
    if (has_machine_check()) {
      out.add_machine_check_kill(facts_.machine_check_kill);
    }
    out.add_io_flusher(is_io_flusher_);
    out.add_cpuid_faults(facts_.cpuid_faults);
    if (!xstate_.empty()) {
      out.add_xstate(xstate);
    }
    return out.Finish();
  }

 private:
  [[nodiscard]] bool has_slack() const {
    return facts_.timer_slack != 0 && facts_.timer_slack != kTimerSlack;
  }
  [[nodiscard]] bool has_tsc() const { return facts_.tsc > PR_TSC_ENABLE; }
  [[nodiscard]] bool has_machine_check() const {
    return facts_.machine_check_kill != PR_MCE_KILL_DEFAULT;
  }
  [[nodiscard]] Offset<flatbuffers::Vector<Offset<schema::Speculation>>> write_speculation() {
    std::vector<Offset<schema::Speculation>> out;
    for (const ThreadSettingsFacts::Speculation& one : facts_.speculation) {
      out.push_back(schema::CreateSpeculation(builder_, one.what, one.state));
    }
    return builder_.CreateVector(out);
  }
  [[nodiscard]] Offset<flatbuffers::Vector<Offset<schema::XsaveComponent>>> write_xstate() {
    std::vector<Offset<schema::XsaveComponent>> out;
    for (const arch::XstatePart& part : xstate_) {
      const auto bytes = builder_.CreateVector(
          reinterpret_cast<const std::uint8_t*>(part.bytes.data()), part.bytes.size());
      out.push_back(schema::CreateXsaveComponent(builder_, part.number, bytes));
    }
    return builder_.CreateVector(out);
  }

  FlatBufferBuilder& builder_;
  const ThreadSettingsFacts& facts_;
  pid_t tid_ = 0;
  CpuWords cpus_;
  std::uint32_t io_priority_ = 0;
  trace::UserDispatch dispatch_;
  bool is_io_flusher_ = false;
  std::vector<arch::XstatePart> xstate_;
};

/// What of the process itself is not as everybody has it.
struct OwnSettings {
  std::uint64_t core_filter = kCoreFilter;
  std::int32_t autogroup_nice = 0;
  std::int32_t exit_signal = SIGCHLD;
  ProcessSettingsFacts asked;

  [[nodiscard]] bool is_needed() const {
    return core_filter != kCoreFilter || autogroup_nice != 0 || exit_signal != SIGCHLD ||
           asked.write_or_execute != 0 || asked.memory_merge || asked.xstate_permitted != 0 ||
           asked.lock_future != 0;
  }

  void write(schema::TaskSettingsBuilder& out) const {
    if (core_filter != kCoreFilter) {
      out.add_core_filter(core_filter);
    }
    if (autogroup_nice != 0) {
      out.add_autogroup_nice(autogroup_nice);
    }
    if (exit_signal != SIGCHLD) {
      out.add_exit_signal(static_cast<std::uint32_t>(exit_signal));
    }
    out.add_lock_future(asked.lock_future);
    out.add_write_or_execute(asked.write_or_execute);
    out.add_memory_merge(asked.memory_merge);
    out.add_xstate_permitted(asked.xstate_permitted);
  }
};

// A restored task has the security label of live-restore, as everybody has it from its parent.
bool has_other_label(const trace::FrozenProcess& process) {
  const auto self = procfs::ProcDir::open(::getpid());
  const auto own = self ? self->read("attr/current") : Result<std::string>(fail(self.error()));
  const auto its = process.dir.read("attr/current");
  return own && its && *own != *its;
}

void note_losses(const trace::FrozenProcess& process, const ProcessFacts& facts, Remarks& remarks) {
  if (has_other_label(process)) {
    remarks.lose(Piece::security_label, name_of(process));
  }
  if (std::any_of(facts.threads.begin(), facts.threads.end(),
                  [](const ThreadFacts& one) { return one.settings.has_own_keyring; })) {
    remarks.lose(Piece::keyrings, name_of(process));
  }
  if (facts.limits[RLIMIT_CPU].rlim_cur != RLIM64_INFINITY) {
    remarks.lose(Piece::processor_time, name_of(process));
  }
}

}  // namespace

Result<void> put_settings(const trace::FrozenProcess& process, const ProcessFacts& facts,
                          const arch::XsaveLayout& xsave, RecordBuffer& records, Remarks& remarks) {
  note_losses(process, facts, remarks);
  FlatBufferBuilder& builder = records.begin();
  std::vector<Offset<schema::ThreadSettings>> threads;
  for (std::size_t i = 0; i < process.threads.size(); ++i) {
    const trace::Tracee& thread = process.threads[i];
    IMG_ASSIGN(const auto dir, procfs::ProcDir::open_thread(process.pid(), thread.tid()));
    ThreadSettingsWriter writer(builder, facts.threads[i].settings);
    IMG_TRY(writer.ask(thread, dir, xsave));
    if (writer.is_needed()) {
      threads.push_back(writer.write());
    }
  }
  OwnSettings own;
  own.core_filter = number_in(process.dir, "coredump_filter", 16).value_or(kCoreFilter);
  own.autogroup_nice = autogroup_nice(process);
  own.exit_signal = process.stat.exit_signal;
  own.asked = facts.settings;
  if (threads.empty() && !own.is_needed()) {
    return {};
  }
  const auto all = builder.CreateVector(threads);
  schema::TaskSettingsBuilder out(builder);
  out.add_threads(all);
  own.write(out);
  records.add(Kind::settings, static_cast<std::uint64_t>(process.pid()), out.Finish());
  return {};
}

}  // namespace img::dump
