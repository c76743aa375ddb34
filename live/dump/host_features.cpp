// SPDX-License-Identifier: MIT
#include "live/dump/host_features.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/membarrier.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "libimg/base/unique_fd.h"
#include "live/procfs/pagemap.h"

namespace img::dump {
namespace {

bool scans(std::uint64_t categories) {
  const UniqueFd own(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  procfs::PagemapFile file(own.get());
  const auto here = reinterpret_cast<std::uint64_t>(&own) & ~(procfs::kPageBytes - 1);
  std::vector<procfs::PageRun> runs;
  return file.scan({here, here + procfs::kPageBytes, categories, categories}, runs) &&
         file.has_scan();
}

bool shows_frames() {
  const UniqueFd own(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
  const auto here = reinterpret_cast<std::uint64_t>(&own) / procfs::kPageBytes;
  std::uint64_t entry = 0;
  constexpr std::uint64_t kFrame = (std::uint64_t{1} << 55) - 1;
  return ::pread(own.get(), &entry, sizeof entry, static_cast<off_t>(here * sizeof entry)) ==
             sizeof entry &&
         (entry & kFrame) != 0;
}

bool compares() {
  const pid_t self = ::getpid();
  return ::syscall(SYS_kcmp, self, self, KCMP_VM, 0, 0) == 0;
}

bool takes_descriptors() {
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  const UniqueFd copy(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd.get(), pidfd.get(), 0)));
  return copy.is_open();
}

bool tells_registrations() {
  constexpr int kGetRegistrations = 1 << 9;
  return ::syscall(SYS_membarrier, kGetRegistrations, 0, 0) >= 0;
}

bool opens_mappings() {
  const UniqueFd folder(::open("/proc/self/map_files", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return folder.is_open();
}

}  // namespace

std::vector<HostFeature> host_features() {
  return {
      {"kcmp", compares(), "3.5", "no dump: what tasks share cannot be known"},
      {"pidfd_getfd", takes_descriptors(), "5.6", "no dump: descriptors cannot be asked"},
      {"map_files", opens_mappings(), "3.3", "no dump: mapped files cannot be known"},
      {"PAGEMAP_SCAN", scans(procfs::kPagePresent), "6.7", "page tables are read entry by entry"},
      {"guard regions", scans(procfs::kPageGuard), "6.15", "guard regions are not kept"},
      {"page frames", shows_frames(), "4.2, with CAP_SYS_ADMIN",
       "pages that parent and child share are stored twice"},
      {"membarrier registrations", tells_registrations(), "6.3", "they are not kept"},
  };
}

}  // namespace img::dump
