// SPDX-License-Identifier: MIT
// /proc/PID/pagemap: which pages of an address space hold something. As runs, by PAGEMAP_SCAN
// (Linux 6.7) where there is one, else from the 64-bit entries; both give the same runs.
#pragma once

#include <cstdint>
#include <vector>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"

namespace img::procfs {

inline constexpr std::uint64_t kPageBytes = 4096;

/// The categories of PAGEMAP_SCAN.
enum PageCategory : std::uint64_t {
  kPageWpAllowed = 1U << 0,
  kPageWritten = 1U << 1,
  kPageFile = 1U << 2,
  kPagePresent = 1U << 3,
  kPageSwapped = 1U << 4,
  kPagePfnZero = 1U << 5,
  kPageHuge = 1U << 6,
  kPageSoftDirty = 1U << 7,
  kPageGuard = 1U << 8,
};

struct PageRun {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t categories = 0;
  friend bool operator==(const PageRun&, const PageRun&) = default;
};

struct PageQuery {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  /// Runs of pages that have any of these, told apart by those of `report`.
  std::uint64_t any_of = kPagePresent | kPageSwapped;
  std::uint64_t report = kPageFile | kPagePresent | kPageSwapped | kPagePfnZero;
};

/// The runs that `entries`, the pagemap of the pages from `start` on, make up.
[[nodiscard]] std::vector<PageRun> runs_of(Bytes entries, std::uint64_t start,
                                           const PageQuery& query);

class PagemapFile {
 public:
  /// `fd` is an open /proc/PID/pagemap and stays the caller's.
  explicit PagemapFile(int fd) : fd_(fd) {}

  /// Appends the runs of the range to `out`. Zero-page and guard categories are known to
  /// PAGEMAP_SCAN only.
  [[nodiscard]] Result<void> scan(const PageQuery& query, std::vector<PageRun>& out);
  /// Whether the kernel has PAGEMAP_SCAN, with all categories that were asked for so far.
  [[nodiscard]] bool has_scan() const { return has_scan_; }
  /// The way without PAGEMAP_SCAN.
  [[nodiscard]] Result<void> read(const PageQuery& query, std::vector<PageRun>& out) const;

 private:
  int fd_;
  bool has_scan_ = true;
};

}  // namespace img::procfs
