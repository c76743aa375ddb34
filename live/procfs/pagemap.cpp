// SPDX-License-Identifier: MIT
#include "live/procfs/pagemap.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace img::procfs {
namespace {

// From <linux/fs.h> of Linux 6.7, which Debian 12 does not have.
struct ScanArgument {
  std::uint64_t size = sizeof(ScanArgument);
  std::uint64_t flags = 0;
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t walk_end = 0;
  std::uint64_t regions = 0;
  std::uint64_t region_count = 0;
  std::uint64_t max_pages = 0;
  std::uint64_t category_inverted = 0;
  std::uint64_t category_mask = 0;
  std::uint64_t category_anyof_mask = 0;
  std::uint64_t return_mask = 0;
};
static_assert(sizeof(ScanArgument) == 96 && sizeof(PageRun) == 24);
constexpr unsigned long kPagemapScan = _IOWR('f', 16, ScanArgument);

constexpr std::size_t kRunsAtOnce = 512;
constexpr std::size_t kEntriesAtOnce = 8192;
constexpr std::size_t kEntryBytes = 8;

std::uint64_t categories_of(std::uint64_t entry) {
  const auto bit = [&](unsigned number, PageCategory category) {
    return (entry >> number & 1) != 0 ? std::uint64_t{category} : 0;
  };
  return bit(63, kPagePresent) | bit(62, kPageSwapped) | bit(61, kPageFile) | bit(58, kPageGuard) |
         bit(55, kPageSoftDirty);
}

// Adjoining runs of one kind are one run, wherever the reading was cut.
void append(std::vector<PageRun>& out, const PageRun& run) {
  if (!out.empty() && out.back().end == run.start && out.back().categories == run.categories) {
    out.back().end = run.end;
  } else {
    out.push_back(run);
  }
}

}  // namespace

std::vector<PageRun> runs_of(Bytes entries, std::uint64_t start, const PageQuery& query) {
  std::vector<PageRun> out;
  for (; entries.size() >= kEntryBytes; entries = entries.subspan(kEntryBytes)) {
    const std::uint64_t categories = categories_of(load<std::uint64_t>(entries.data()));
    if ((categories & query.any_of) != 0) {
      append(out, {start, start + kPageBytes, categories & query.report});
    }
    start += kPageBytes;
  }
  return out;
}

Result<void> PagemapFile::scan(const PageQuery& query, std::vector<PageRun>& out) {
  std::array<PageRun, kRunsAtOnce> found;
  ScanArgument argument;
  argument.start = query.start;
  argument.end = query.end;
  argument.regions = reinterpret_cast<std::uint64_t>(found.data());
  argument.region_count = found.size();
  argument.category_anyof_mask = query.any_of;
  argument.return_mask = query.report;
  while (has_scan_ && argument.start < argument.end) {
    const int runs = ::ioctl(fd_, kPagemapScan, &argument);
    if (runs < 0 && (errno == ENOTTY || errno == EINVAL) && argument.start == query.start) {
      has_scan_ = false;  // an older kernel, or one that lacks a category asked for
      break;
    }
    if (runs < 0) {
      return fail(sys_error(errno, "pagemap", "PAGEMAP_SCAN"));
    }
    for (int i = 0; i < runs; ++i) {
      append(out, found[static_cast<std::size_t>(i)]);
    }
    if (argument.walk_end <= argument.start) {
      return fail(Fault::io, "pagemap", "PAGEMAP_SCAN", "it does not go on");
    }
    argument.start = argument.walk_end;
  }
  return has_scan_ ? Result<void>{} : read(query, out);
}

Result<void> PagemapFile::read(const PageQuery& query, std::vector<PageRun>& out) const {
  std::vector<std::byte> buffer(kEntriesAtOnce * kEntryBytes);
  for (std::uint64_t at = query.start; at < query.end;) {
    const std::uint64_t pages =
        std::min<std::uint64_t>((query.end - at + kPageBytes - 1) / kPageBytes, kEntriesAtOnce);
    const ssize_t got = ::pread(fd_, buffer.data(), pages * kEntryBytes,
                                static_cast<off_t>(at / kPageBytes * kEntryBytes));
    if (got < 0) {
      return fail(sys_error(errno, "pagemap", "read"));
    }
    if (got < static_cast<ssize_t>(kEntryBytes)) {
      break;  // past the end of user space, or no memory any more
    }
    for (const PageRun& run :
         runs_of(Bytes(buffer).first(static_cast<std::size_t>(got)), at, query)) {
      append(out, run);
    }
    at += static_cast<std::uint64_t>(got) / kEntryBytes * kPageBytes;
  }
  return {};
}

}  // namespace img::procfs
