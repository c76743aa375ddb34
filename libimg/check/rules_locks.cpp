// SPDX-License-Identifier: MIT
// LCK-1: locks and leases.
#include <fmt/core.h>

#include "libimg/check/facts.h"
#include "schema/locks_generated.h"

namespace img::check {
namespace {

constexpr std::uint32_t kPosix = 1;
constexpr std::uint32_t kFlock = 2;
constexpr std::uint32_t kOpenFile = 4;
constexpr std::uint32_t kLease = 8;
constexpr std::uint32_t kMandatory = 32;
constexpr std::uint32_t kLastType = 2;  // F_UNLCK

class LockRules : public RuleSet {
 public:
  explicit LockRules(Facts& facts) : facts_(facts) {}

  void record(const Record& record) override {
    if (record.key.file.kind == Kind::filelocks && record.key.seq != 0) {
      const auto& entry = *record.as<schema::FileLockEntry>();
      kind(record, entry);
      locks_.push_back({record.key.seq, static_cast<std::uint32_t>(entry.pid()),
                        static_cast<std::uint32_t>(entry.fd())});
    }
  }

  void finish() override {
    for (const Lock& lock : locks_) {
      holder(lock);
    }
  }

 private:
  struct Lock {
    std::uint64_t entry = 0;
    std::uint32_t pid = 0;
    std::uint32_t fd = 0;
  };

  void kind(const Record& record, const schema::FileLockEntry& entry) {
    if ((entry.flag() & (kPosix | kFlock | kOpenFile | kLease)) == 0) {
      facts_.report.add(RuleId::LCK_1, facts_.at(record, "flag", std::to_string(entry.flag())),
                        "is no kind of lock");
    } else if (entry.type() > kLastType && (entry.flag() & kLease) == 0 &&
               ((entry.flag() & kFlock) == 0 || (entry.type() & kMandatory) == 0)) {
      facts_.report.add(RuleId::LCK_1, facts_.at(record, "type", std::to_string(entry.type())),
                        "is no type of lock");
    }
    if (entry.start() < 0) {
      facts_.report.add(RuleId::LCK_1, facts_.at(record, "start", std::to_string(entry.start())),
                        "begins before the file does");
    }
  }

  void holder(const Lock& lock) {
    const Process* process = facts_.tree.find(lock.pid);
    if (process == nullptr) {
      if (facts_.is_whole(Kind::pstree)) {
        facts_.report.add(RuleId::LCK_1,
                          facts_.at({Kind::filelocks, 0}, lock.entry, "pid",
                                    std::to_string(static_cast<std::int32_t>(lock.pid))),
                          "is no process of the image");
      }
      return;
    }
    if (process->has_ids && facts_.is_whole(Kind::fdinfo) &&
        facts_.descriptor(process->ids.files, lock.fd) == nullptr) {
      facts_.report.add(RuleId::LCK_1,
                        facts_.at({Kind::filelocks, 0}, lock.entry, "fd",
                                  std::to_string(static_cast<std::int32_t>(lock.fd))),
                        fmt::format("process {} does not have this descriptor", lock.pid));
    }
  }

  Facts& facts_;
  std::vector<Lock> locks_;
};

}  // namespace

std::unique_ptr<RuleSet> lock_rules(Facts& facts) {
  return std::make_unique<LockRules>(facts);
}

}  // namespace img::check
