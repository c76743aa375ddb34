// SPDX-License-Identifier: MIT
#include "libimg/gc/host_mounts.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string>

namespace img::gc {

Result<std::vector<Mount>> read_host_mounts() {
  std::ifstream in("/proc/self/mountinfo", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (text.empty()) {
    return fail(Fault::missing, "/proc/self/mountinfo", "read", "says of no mount");
  }
  return parse_mountinfo(text);
}

Result<std::int32_t> mount_id_of(int fd, const std::string& thing) {
  struct statx status {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) != 0) {
    return fail(sys_error(errno, thing, "stat"));
  }
  if ((status.stx_mask & STATX_MNT_ID) == 0) {
    return fail(Fault::unsupported, thing, "find its mount", "the kernel does not tell");
  }
  return static_cast<std::int32_t>(status.stx_mnt_id);
}

UniqueFd copy_of_mount(UniqueFd folder) {
  UniqueFd copy(static_cast<int>(::syscall(SYS_open_tree, folder.get(), "",
                                           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH)));
  if (!copy.is_open()) {
    return folder;
  }
  mount_attr writable{};
  writable.attr_clr = MOUNT_ATTR_RDONLY;
  // If this fails, so will what is written, and that is said.
  static_cast<void>(
      ::syscall(SYS_mount_setattr, copy.get(), "", AT_EMPTY_PATH, &writable, sizeof writable));
  return copy;
}

}  // namespace img::gc
