// SPDX-License-Identifier: MIT
#include "live/restore/file_facts.h"

#include <net/if.h>
#include <unistd.h>

#include "libimg/base/mountinfo.h"
#include "live/procfs/proc_dir.h"

namespace img::restore {
namespace {

// The first of a file system with its root in it leads to all its files.
std::map<std::uint32_t, std::string> all_mounts() {
  std::map<std::uint32_t, std::string> out;
  const auto self = procfs::ProcDir::open(::getpid());
  const auto text = self ? self->read("mountinfo") : Result<std::string>(fail(self.error()));
  const auto mounts =
      text ? parse_mountinfo(*text) : Result<std::vector<Mount>>(fail(text.error()));
  for (const bool whole : {true, false}) {
    for (std::size_t i = 0; mounts && i < mounts->size(); ++i) {
      const Mount& mount = (*mounts)[i];
      if ((mount.root == "/") == whole) {
        out.try_emplace(mount.device_major << 20 | mount.device_minor, mount.mountpoint);
      }
    }
  }
  return out;
}

std::map<std::string, std::uint32_t> all_interfaces() {
  std::map<std::string, std::uint32_t> out;
  struct if_nameindex* all = ::if_nameindex();
  for (const struct if_nameindex* one = all; one != nullptr && one->if_index != 0; ++one) {
    out.emplace(one->if_name, one->if_index);
  }
  if (all != nullptr) {
    ::if_freenameindex(all);
  }
  return out;
}

}  // namespace

void ask_about_files(plan::FileOptions& options) {
  options.mounts = all_mounts;
  options.interfaces = all_interfaces;
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && options.terminal < 0; ++fd) {
    options.terminal = ::isatty(fd) != 0 ? fd : -1;
  }
  options.exists = [root = options.root](const std::string& path) {
    return ::access((root + path).c_str(), F_OK) == 0;
  };
}

}  // namespace img::restore
