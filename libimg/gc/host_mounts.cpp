// SPDX-License-Identifier: MIT
#include "libimg/gc/host_mounts.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>

namespace img::gc {
namespace {

// Spaces, tabs, newlines and backslashes are \NNN.
std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    unsigned code = 0;
    const char* digits = text.data() + at + 1;
    if (text[at] == '\\' && at + 3 < text.size() &&
        std::from_chars(digits, digits + 3, code, 8).ptr == digits + 3) {
      plain += static_cast<char>(code);
      at += 3;
    } else {
      plain += text[at];
    }
  }
  return plain;
}

bool parse_line(const std::string& line, HostMount& mount) {
  std::istringstream in(line);
  std::string word;
  char colon = 0;
  if (!(in >> mount.id >> word >> mount.device.major >> colon >> mount.device.minor) ||
      colon != ':' || !(in >> mount.root >> mount.point)) {
    return false;
  }
  while (in >> word && word != "-") {
  }
  if (!(in >> word >> mount.source)) {  // the type, and where it is from
    return false;
  }
  mount.root = unescaped(mount.root);
  mount.point = unescaped(mount.point);
  mount.source = unescaped(mount.source);
  return true;
}

}  // namespace

Result<std::vector<HostMount>> read_host_mounts() {
  std::ifstream in("/proc/self/mountinfo");
  std::vector<HostMount> mounts;
  for (std::string line; std::getline(in, line);) {
    HostMount mount;
    if (parse_line(line, mount)) {  // some file systems have no source
      mounts.push_back(std::move(mount));
    }
  }
  if (mounts.empty()) {
    return fail(Fault::missing, "/proc/self/mountinfo", "read", "says of no mount");
  }
  return mounts;
}

Result<std::uint64_t> mount_id_of(int fd, const std::string& thing) {
  struct statx status {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) != 0) {
    return fail(sys_error(errno, thing, "stat"));
  }
  if ((status.stx_mask & STATX_MNT_ID) == 0) {
    return fail(Fault::unsupported, thing, "find its mount", "the kernel does not tell");
  }
  return status.stx_mnt_id;
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
