// SPDX-License-Identifier: MIT
// Descriptors of processes: each task opens its own, when the whole tree is there.
#include <fcntl.h>
#include <sys/syscall.h>

#include <map>

#include "live/plan/files/image_files.h"

namespace img::plan {
namespace {

constexpr std::uint32_t kThread = O_EXCL;  // PIDFD_THREAD
constexpr std::uint32_t kFlags = O_NONBLOCK | kThread;

class Pidfds final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::PidfdEntry>(schema::FdTypes::PIDFD);
    if (entry.nspid() <= 0) {
      return open_of_dead(context, entry);
    }
    return context.open_path("/dev/null", O_RDONLY);  // holds the number until complete()
  }

  /// All descriptors of one process are one inode, so nobody sees that they are opened apart.
  bool is_for_each_task(const FileContext&, const model::OpenFile& file) const override {
    return file.as<schema::PidfdEntry>(schema::FdTypes::PIDFD)->nspid() > 0;
  }

  Result<void> complete(FileContext& context, const model::OpenFile& file, TaskFd at) override {
    const auto& entry = *file.as<schema::PidfdEntry>(schema::FdTypes::PIDFD);
    if (entry.nspid() <= 0) {
      return {};
    }
    PlanBuilder& builder = *context.builder;
    const std::string name = "pidfd of " + std::to_string(entry.nspid());
    const Slot opened =
        builder.call(at.actor, SYS_pidfd_open, {entry.nspid(), entry.flags() & kFlags}, name);
    context.put_in_place(at, opened);
    return {};
  }

 private:
  /// All descriptors with one inode are of one process, which is gone by now.
  Result<Slot> open_of_dead(FileContext& context, const schema::PidfdEntry& entry) {
    PlanBuilder& builder = *context.builder;
    const auto known = dead_.find(entry.ino());
    if (known != dead_.end()) {
      return context.reopen(known->second, entry.flags() & kFlags, "pidfd of the same process");
    }
    const Slot process = builder.stand_in(0);
    const Slot slot =
        builder.keep(builder.call(kRestorer, SYS_pidfd_open, {process, entry.flags() & kFlags},
                                  "pidfd of a process that is gone"));
    builder.end_stand_in(process);
    dead_.emplace(entry.ino(), slot);
    return slot;
  }

  std::map<std::uint32_t, Slot> dead_;  // by inode
};

}  // namespace

std::unique_ptr<KindPlanner> plan_pidfds() {
  return std::make_unique<Pidfds>();
}

}  // namespace img::plan
