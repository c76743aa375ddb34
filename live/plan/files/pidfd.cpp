// SPDX-License-Identifier: MIT
// Descriptors of processes: each task opens its own, when the whole tree is there.
#include <fcntl.h>
#include <sys/syscall.h>

#include "live/plan/files/image_files.h"

namespace img::plan {
namespace {

class Pidfds final : public KindPlanner {
 public:
  Result<Slot> open(FileContext& context, const model::OpenFile& file) override {
    const auto& entry = *file.as<schema::PidfdEntry>(schema::FdTypes::PIDFD);
    if (entry.nspid() <= 0) {
      return fail(Fault::unsupported, "pidfd " + std::to_string(file.id),
                  "is of a process that is gone", "such a descriptor cannot be opened again");
    }
    return context.open_path("/dev/null", O_RDONLY);  // holds the number until complete()
  }

  /// All descriptors of one process are one inode, so nobody sees that they are opened apart.
  bool is_for_each_task() const override { return true; }

  Result<void> complete(FileContext& context, const model::OpenFile& file, TaskFd at) override {
    const auto& entry = *file.as<schema::PidfdEntry>(schema::FdTypes::PIDFD);
    PlanBuilder& builder = *context.builder;
    const std::string name = "pidfd of " + std::to_string(entry.nspid());
    constexpr std::uint32_t kThread = O_EXCL;  // PIDFD_THREAD
    const Slot opened = builder.call(at.actor, SYS_pidfd_open,
                                     {entry.nspid(), entry.flags() & (O_NONBLOCK | kThread)}, name);
    builder.call(at.actor, SYS_dup3, {opened, at.fd, at.closes_on_exec ? O_CLOEXEC : 0}, name);
    builder.call(at.actor, SYS_close, {opened}, "close it");
    return {};
  }
};

}  // namespace

std::unique_ptr<KindPlanner> plan_pidfds() {
  return std::make_unique<Pidfds>();
}

}  // namespace img::plan
