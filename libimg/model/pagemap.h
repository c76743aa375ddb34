// SPDX-License-Identifier: MIT
// What a PagemapEntry means, whichever CRIU version wrote it.
#pragma once

#include <cstdint>

#include "schema/pagemap_generated.h"

namespace img::model {

inline constexpr std::uint32_t kPageInParent = 1;
inline constexpr std::uint32_t kPageLazy = 2;
inline constexpr std::uint32_t kPagePresent = 4;

struct PageRun {
  std::uint64_t address = 0;
  std::uint64_t pages = 0;
  std::uint32_t flags = 0;

  [[nodiscard]] bool is_present() const { return (flags & kPagePresent) != 0; }
  [[nodiscard]] bool is_in_parent() const { return (flags & kPageInParent) != 0; }
};

/// `nr_pages` is of CRIU 4.2 and later, `flags` of 3.5 and later.
[[nodiscard]] inline PageRun page_run(const schema::PagemapEntry& entry) {
  PageRun run;
  run.address = entry.vaddr();
  run.pages = entry.nr_pages().value_or(entry.compat_nr_pages());
  run.flags = entry.flags().value_or(entry.in_parent().value_or(false) ? kPageInParent : kPagePresent);
  return run;
}

}  // namespace img::model
