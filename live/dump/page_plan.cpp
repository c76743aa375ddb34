// SPDX-License-Identifier: MIT
#include "live/dump/page_plan.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "libimg/base/units.h"

namespace img::dump {
namespace {

using procfs::kPageBytes;
using procfs::PagemapFile;
using procfs::PageQuery;
using procfs::PageRun;

constexpr std::uint64_t kUserEnd = 0x7fff'ffff'f000;

/// PAGE_IS_GUARD came after PAGEMAP_SCAN; asking for it where it is not known loses the scan.
bool knows_guards() {
  static const bool kKnown = [] {
    const UniqueFd own(::open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
    PagemapFile file(own.get());
    const auto here = reinterpret_cast<std::uint64_t>(&own) & ~(kPageBytes - 1);
    std::vector<PageRun> runs;
    return file.scan({here, here + kPageBytes, procfs::kPageGuard, procfs::kPageGuard}, runs) &&
           file.has_scan();
  }();
  return kKnown;
}

}  // namespace

std::uint64_t PagePlan::pages() const {
  std::uint64_t total = 0;
  for (const PageSpan& span : spans) {
    total += span.pages;
  }
  return total;
}

void PagePlan::add(std::uint64_t start, std::uint64_t end, bool is_lazy, bool is_cloned) {
  if (start >= end) {
    return;
  }
  if (!spans.empty() && spans.back().end() == start && spans.back().is_lazy == is_lazy &&
      spans.back().is_cloned == is_cloned) {
    spans.back().pages += (end - start) / kPageBytes;
  } else {
    spans.push_back({start, (end - start) / kPageBytes, is_lazy, is_cloned});
  }
}

Result<ScannedSpace> scan_space(const trace::FrozenProcess& process, const std::vector<Vma>& vmas) {
  ScannedSpace out;
  out.plan.file = {Kind::pagemap, static_cast<std::uint64_t>(process.pid())};
  out.plan.pid = process.pid();
  out.plan.parent = process.stat.ppid;
  IMG_ASSIGN(const UniqueFd fd, process.dir.open_file("pagemap", O_RDONLY));
  PagemapFile file(fd.get());
  const std::uint64_t guard = knows_guards() ? std::uint64_t{procfs::kPageGuard} : 0;
  PageQuery query;
  query.any_of |= guard;
  query.report |= guard;
  std::vector<PageRun> runs;
  for (const Vma& vma : vmas) {
    const bool has_pages = vma.has_pages();
    if (vma.end > kUserEnd || (!has_pages && guard == 0)) {
      continue;
    }
    if (has_pages && vma.has_all_pages()) {
      out.plan.add(vma.start, vma.end, false);
      continue;
    }
    runs.clear();
    query.start = vma.start;
    query.end = vma.end;
    IMG_TRY(file.scan(query, runs));
    out.plan.scanned += has_pages ? (vma.end - vma.start) / kPageBytes : 0;
    for (const PageRun& run : runs) {
      if ((run.categories & guard) != 0) {
        out.guards.push_back(run);
      } else if (has_pages && (run.categories & (procfs::kPageFile | procfs::kPagePfnZero)) == 0) {
        out.plan.add(run.start, run.end, vma.can_be_lazy(), vma.is_cloned());
      }
    }
  }
  return out;
}

Result<PagePlan> scan_object(std::uint64_t shmid, int fd, std::uint64_t bytes) {
  PagePlan out;
  out.file = {Kind::pagemap_shmem, shmid};
  const std::uint64_t end = round_up(bytes, kPageBytes);
  out.scanned = end / kPageBytes;
  for (std::uint64_t at = 0; at < end;) {
    const off_t content = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
    if (content < 0 && errno == ENXIO) {
      break;  // nothing but a hole
    }
    if (content < 0) {
      out.add(at, end, false);  // hugetlbfs does not tell
      break;
    }
    const off_t hole = ::lseek(fd, content, SEEK_HOLE);
    const std::uint64_t stop =
        hole < 0 ? end : std::min(end, round_up(static_cast<std::uint64_t>(hole), kPageBytes));
    out.add(static_cast<std::uint64_t>(content) & ~(kPageBytes - 1), stop, false);
    at = stop;
  }
  return out;
}

}  // namespace img::dump
