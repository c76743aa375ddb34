// SPDX-License-Identifier: MIT
#include "live/plan/files/locks.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/syscall.h>

#include "libimg/model/each_record.h"
#include "live/state/state.h"
#include "schema/locks_generated.h"

namespace img::plan {

namespace {

// FileLockEntry.flag
constexpr std::uint32_t kPosix = 1;
constexpr std::uint32_t kFlock = 2;
constexpr std::uint32_t kDescription = 4;
constexpr std::uint32_t kLease = 8;
constexpr std::uint32_t kTypeMask = 3;  // F_RDLCK, F_WRLCK, F_UNLCK

constexpr int kSetDescriptionLock = 37;  // F_OFD_SETLK
constexpr int kSetLease = 1024;          // F_SETLEASE

}  // namespace

Result<void> FileLocks::read(model::ImageReader& reader) {
  return model::for_each_message<schema::FileLockEntry>(
      reader, {model::Kind::filelocks, 0},
      [this](const schema::FileLockEntry& entry, const model::Record&) {
        by_task_[static_cast<std::uint32_t>(entry.pid())].push_back(
            {entry.flag(), entry.type(), entry.fd(), entry.start(), entry.len()});
      });
}

Result<void> FileLocks::complete(PlanBuilder& builder, Actor actor) const {
  const auto locks = by_task_.find(actor.tid);
  if (locks == by_task_.end()) {
    return {};
  }
  for (const Lock& lock : locks->second) {
    const std::string what = "lock on descriptor " + std::to_string(lock.fd);
    const std::uint32_t type = lock.type & kTypeMask;
    if (lock.kind == kFlock) {
      builder.call(actor, SYS_flock, {lock.fd, (type == F_RDLCK ? LOCK_SH : LOCK_EX) | LOCK_NB},
                   what);
    } else if (lock.kind == kLease) {
      builder.call(actor, SYS_fcntl, {lock.fd, kSetLease, type},
                   "lease on descriptor " + std::to_string(lock.fd));
    } else if (lock.kind == kPosix || lock.kind == kDescription) {
      struct flock range {};
      range.l_type = static_cast<short>(type);
      range.l_whence = SEEK_SET;
      range.l_start = lock.start;
      range.l_len = lock.length;
      const int command = lock.kind == kPosix ? F_SETLK : kSetDescriptionLock;
      builder.call(actor, SYS_fcntl, {lock.fd, command, builder.object(range)}, what);
    } else {
      return fail(
          state::refusal(state::Piece::lock_unknown, what, "kind " + std::to_string(lock.kind)));
    }
  }
  return {};
}

}  // namespace img::plan
