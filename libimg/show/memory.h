// SPDX-License-Identifier: MIT
// The memory of processes itself: as a hexdump, raw, or searched, over the parent chain. Streams:
// memory is never held whole.
#pragma once

#include "libimg/base/byte_sink.h"
#include "libimg/show/matcher.h"
#include "libimg/show/page.h"
#include "libimg/show/subject.h"

namespace img::show {

struct MemoryPlace {
  std::uint32_t pid = 0;
  std::uint64_t address = 0;
  std::uint64_t length = 0;
};

/// Where the memory of the chosen processes is: in the image, in its parents, nowhere.
void show_memory_runs(Subject& subject, Page& page);

/// Hexadecimal and text, sixteen bytes a line; what is not in the image is said to be so.
[[nodiscard]] Result<void> show_memory(Subject& subject, const MemoryPlace& place, Page& page);

/// Exactly `length` bytes; what is not in the image is zero. Returns how many bytes were.
[[nodiscard]] Result<std::uint64_t> write_memory(Subject& subject, const MemoryPlace& place,
                                                 ByteSink& out);

/// Every match in the chosen processes and in shared memory that they map (where all are chosen, in
/// all of it), with up to `context` bytes on both sides. Returns how many there were.
inline constexpr std::size_t kLargestContext = 4096;
[[nodiscard]] Result<std::uint64_t> search_memory(Subject& subject, const Matcher& matcher,
                                                  std::size_t context, Page& page);

}  // namespace img::show
