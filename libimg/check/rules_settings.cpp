// SPDX-License-Identifier: MIT
// STG-*: what processes and threads have set that CRIU has no place for.
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "libimg/check/facts.h"
#include "schema/settings_generated.h"

namespace img::check {
namespace {

constexpr std::size_t kMostCpuWords = 1024;
constexpr std::size_t kMostNodeWords = 16;
constexpr std::size_t kMostPartBytes = 8192;
constexpr std::uint32_t kFirstPart = 10;  // lower ones are a core's
constexpr std::uint32_t kLastPart = 62;   // 63 says that the area is compact
constexpr std::uint32_t kMostIoClass = 3;
constexpr std::uint32_t kIoClassShift = 13;
constexpr std::uint32_t kLockFuture = 2;
constexpr std::uint32_t kLockOnFault = 4;
constexpr std::uint32_t kLastSignal = 64;

using Words = flatbuffers::Vector<std::uint64_t>;

bool is_set(const Words* words, std::size_t most) {
  return words == nullptr || (words->size() <= most && std::any_of(words->begin(), words->end(),
                                                                   [](auto w) { return w != 0; }));
}

class SettingsRules : public RuleSet {
 public:
  explicit SettingsRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.file.kind != Kind::settings || record.key.seq == 0 || record.table == nullptr) {
      return;
    }
    const auto& settings = *record.as<schema::TaskSettings>();
    owner(record, settings);
    process(record, settings);
    for (const schema::ThreadSettings* thread : *settings.threads()) {
      this->thread(record, *thread);
    }
  }
  void finish() override {}

 private:
  void owner(const Record& record, const schema::TaskSettings& settings) {
    if (!facts_.is_whole(Kind::pstree)) {
      return;
    }
    const auto pid = static_cast<std::uint32_t>(record.key.file.id);
    const Process* process = facts_.tree.find(pid);
    if (process == nullptr || process->is_zombie() || record.key.seq != 1) {
      facts_.report.add(RuleId::STG_1, facts_.at(record),
                        process == nullptr     ? fmt::format("there is no process {}", pid)
                        : process->is_zombie() ? fmt::format("process {} has ended", pid)
                                               : "there are settings before these");
      return;
    }
    const auto tids = facts_.tree.threads(*process);
    const std::set<std::uint32_t> known(tids.begin(), tids.end());
    std::set<std::uint32_t> named;
    for (const schema::ThreadSettings* thread : *settings.threads()) {
      if (!known.contains(thread->tid()) || !named.insert(thread->tid()).second) {
        facts_.report.add(
            RuleId::STG_1, facts_.at(record, "threads", std::to_string(thread->tid())),
            fmt::format("{} is no thread of process {}, or is named twice", thread->tid(), pid));
      }
    }
  }

  void demand(bool holds, const Record& record, std::string_view field, std::uint64_t value) {
    if (!holds) {
      facts_.report.add(RuleId::STG_2,
                        facts_.at(record, std::string(field), fmt::format("{:#x}", value)),
                        fmt::format("{:#x} is no {} that a kernel takes", value, field));
    }
  }

  void process(const Record& record, const schema::TaskSettings& from) {
    const std::int32_t nice = from.autogroup_nice().value_or(0);
    demand(nice >= -20 && nice <= 19, record, "autogroup_nice", static_cast<std::uint64_t>(nice));
    const std::uint32_t lock = from.lock_future();
    demand(lock == 0 || lock == kLockFuture || lock == (kLockFuture | kLockOnFault), record,
           "lock_future", lock);
    demand(from.write_or_execute() <= 3, record, "write_or_execute", from.write_or_execute());
    demand(from.exit_signal().value_or(0) <= kLastSignal, record, "exit_signal",
           from.exit_signal().value_or(0));
  }

  void thread(const Record& record, const schema::ThreadSettings& from) {
    demand(is_set(from.cpus(), kMostCpuWords), record, "threads.cpus",
           from.cpus() == nullptr ? 0 : from.cpus()->size());
    const std::uint32_t io = from.io_priority().value_or(0);
    demand(io >> kIoClassShift <= kMostIoClass, record, "threads.io_priority", io);
    demand(from.timer_slack().value_or(1) != 0, record, "threads.timer_slack", 0);
    if (const auto* dispatch = from.user_dispatch()) {
      demand(dispatch->mode() == 1, record, "threads.user_dispatch.mode", dispatch->mode());
    }
    if (const auto* policy = from.memory_policy()) {
      const std::size_t words = policy->nodes() == nullptr ? 0 : policy->nodes()->size();
      demand(words <= kMostNodeWords, record, "threads.memory_policy.nodes", words);
    }
    const auto* parts = from.xstate();
    for (flatbuffers::uoffset_t i = 0; parts != nullptr && i < parts->size(); ++i) {
      const schema::XsaveComponent& part = *parts->Get(i);
      demand(part.number() >= kFirstPart && part.number() <= kLastPart &&
                 part.bytes()->size() <= kMostPartBytes,
             record, "threads.xstate.number", part.number());
    }
  }

  Facts& facts_;
};

}  // namespace

std::unique_ptr<RuleSet> settings_rules(Facts& facts) {
  return std::make_unique<SettingsRules>(facts);
}

}  // namespace img::check
