// SPDX-License-Identifier: MIT
#include "live/restore/file_facts.h"

#include <net/if.h>
#include <unistd.h>

#include "live/procfs/mounts.h"
#include "live/procfs/proc_dir.h"

namespace img::restore {
namespace {

// The first of a file system with its root in it leads to all its files.
Result<void> add_mounts(plan::FileOptions& options) {
  IMG_ASSIGN(const procfs::ProcDir self, procfs::ProcDir::open(::getpid()));
  IMG_ASSIGN(const std::string text, self.read("mountinfo"));
  IMG_ASSIGN(const std::vector<procfs::Mount> mounts, procfs::parse_mountinfo(text));
  for (const bool whole : {true, false}) {
    for (const procfs::Mount& mount : mounts) {
      if ((mount.root == "/") == whole) {
        options.mounts.try_emplace(mount.device_major << 20 | mount.device_minor, mount.mountpoint);
      }
    }
  }
  return {};
}

void add_interfaces(plan::FileOptions& options) {
  struct if_nameindex* all = ::if_nameindex();
  for (const struct if_nameindex* one = all; one != nullptr && one->if_index != 0; ++one) {
    options.interfaces.emplace(one->if_name, one->if_index);
  }
  if (all != nullptr) {
    ::if_freenameindex(all);
  }
}

}  // namespace

Result<void> ask_about_files(plan::FileOptions& options) {
  IMG_TRY(add_mounts(options));
  add_interfaces(options);
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && options.terminal < 0; ++fd) {
    options.terminal = ::isatty(fd) != 0 ? fd : -1;
  }
  options.exists = [root = options.root](const std::string& path) {
    return ::access((root + path).c_str(), F_OK) == 0;
  };
  return {};
}

}  // namespace img::restore
