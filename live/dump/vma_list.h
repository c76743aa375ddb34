// SPDX-License-Identifier: MIT
// The mappings of an address space as CRIU tells them apart: what is mapped, how, and from which
// file.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "live/dump/dump_context.h"
#include "live/dump/files/file_collector.h"
#include "live/procfs/maps.h"
#include "live/procfs/pagemap.h"

namespace img::dump {

/// Bits of VmaEntry.status.
enum VmaStatus : std::uint32_t {
  kVmaRegular = 1U << 0,
  kVmaVsyscall = 1U << 2,
  kVmaVdso = 1U << 3,
  kVmaHeap = 1U << 5,
  kVmaFilePrivate = 1U << 6,
  kVmaFileShared = 1U << 7,
  kVmaAnonShared = 1U << 8,
  kVmaAnonPrivate = 1U << 9,
  kVmaSysvIpc = 1U << 10,
  kVmaSocket = 1U << 11,
  kVmaVvar = 1U << 12,
  kVmaAioRing = 1U << 13,
  kVmaMemfd = 1U << 14,
  kVmaShadowStack = 1U << 15,
  kVmaGuard = 1U << 16,
};

struct Vma {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;
  std::uint64_t shmid = 0;
  std::uint32_t protection = 0;
  std::uint32_t flags = 0;
  std::uint32_t status = 0;
  std::optional<std::uint64_t> advice;
  std::optional<std::uint32_t> file_flags;

  [[nodiscard]] bool is(std::uint32_t bits) const { return (status & bits) == bits; }
  /// The image holds pages of it.
  [[nodiscard]] bool has_pages() const;
  /// All of its pages, whatever the page tables say.
  [[nodiscard]] bool has_all_pages() const { return is(kVmaVdso) || is(kVmaAioRing); }
  /// A child gets it at fork, as it is.
  [[nodiscard]] bool is_cloned() const;
  /// Could be filled in when first touched.
  [[nodiscard]] bool can_be_lazy() const;
};

/// Without guard regions, which are no mappings.
[[nodiscard]] Result<std::vector<Vma>> list_vmas(DumpContext& context, FileCollector& files,
                                                 const trace::FrozenProcess& process);

}  // namespace img::dump
