// SPDX-License-Identifier: MIT
#include "live/dump/object_ids.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace img::dump {

Result<ObjectIds::Found> ObjectIds::find(pid_t pid, std::uint64_t fd) {
  return find_or(pid, fd, static_cast<std::uint32_t>(sorted_.size() + 1));
}

Result<ObjectIds::Found> ObjectIds::find_or(pid_t pid, std::uint64_t fd, std::uint32_t new_id) {
  std::size_t low = 0;
  std::size_t high = sorted_.size();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const Entry& entry = sorted_[middle];
    const long order = ::syscall(SYS_kcmp, pid, entry.pid, type_, fd, entry.fd);
    if (order < 0) {
      return fail(sys_error(errno, "process " + std::to_string(pid), "kcmp"));
    }
    if (order == 0) {
      return Found{entry.id, false};
    }
    (order == 1 ? high : low) = order == 1 ? middle : middle + 1;  // 1: ours is the lower
  }
  sorted_.insert(sorted_.begin() + static_cast<std::ptrdiff_t>(low), {pid, fd, new_id});
  return Found{new_id, true};
}

}  // namespace img::dump
