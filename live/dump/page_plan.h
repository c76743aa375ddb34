// SPDX-License-Identifier: MIT
// Which pages of an address space, or of a shared object, an image is to hold, before any of them
// is read.
#pragma once

#include <cstdint>
#include <vector>

#include "libimg/store/pending_image.h"
#include "live/dump/vma_list.h"
#include "live/procfs/pagemap.h"
#include "live/trace/remote_memory.h"

namespace img::dump {

struct PageSpan {
  std::uint64_t address = 0;  // or offset in the object
  std::uint64_t pages = 0;
  bool is_lazy = false;
  bool is_cloned = false;  // a clone of the process has it too, as it is now

  [[nodiscard]] std::uint64_t bytes() const { return pages * procfs::kPageBytes; }
  [[nodiscard]] std::uint64_t end() const { return address + bytes(); }
};

/// Where pages are read from. From any thread.
class PageSource {
 public:
  virtual ~PageSource() = default;
  [[nodiscard]] virtual Result<void> read(std::span<const trace::RemoteRange> ranges,
                                          std::span<std::byte> out) const = 0;
};

/// One pagemap of the image: spans ascending, none touching the next unless they differ.
struct PagePlan {
  model::FileKey file;
  pid_t pid = 0;     // of an address space
  pid_t parent = 0;  // in the tree
  std::vector<PageSpan> spans;
  std::uint64_t scanned = 0;  // pages that were looked at

  [[nodiscard]] std::uint64_t pages() const;
  void add(std::uint64_t start, std::uint64_t end, bool is_lazy, bool is_cloned = false);
};

struct ScannedSpace {
  PagePlan plan;
  std::vector<procfs::PageRun> guards;
};
/// The pages that CRIU would take: anonymous ones and copies of file pages; not those that are a
/// file's, all zero because nobody has written them, or not there.
[[nodiscard]] Result<ScannedSpace> scan_space(const trace::FrozenProcess& process,
                                              const std::vector<Vma>& vmas);

/// Everything that is no hole in a memory object.
[[nodiscard]] Result<PagePlan> scan_object(std::uint64_t shmid, int fd, std::uint64_t bytes);

}  // namespace img::dump
