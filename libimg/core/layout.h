// SPDX-License-Identifier: MIT
// Which parts of the memory a core holds, as segments: those with bytes in the file, and those that
// only say that something was mapped. As the kernel does by default, with what the image has:
// all memory that is in the image, the whole of a program's or library's mapping that was written
// to, and of others the first page, by which debuggers know the file.
#pragma once

#include <span>

#include "libimg/core/backing.h"

namespace img::core {

struct Segment {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;  // of its bytes, counted from the first byte of memory in the file
  std::uint32_t protection = 0;
  bool has_bytes = false;
  bool has_base = false;  // something lies under the process's own pages
};

class Layout {
 public:
  [[nodiscard]] static Result<Layout> plan(model::ImageReader& reader, std::uint32_t pid,
                                           const std::vector<Mapping>& mappings,
                                           Backings& backings);

  [[nodiscard]] std::span<const Segment> segments() const { return segments_; }
  /// Of all bytes in the file, holes included.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  /// Mappings that show a backing with content, by backing and offset.
  struct Shown {
    Backing backing;
    std::uint64_t offset = 0;  // in the object
    std::uint64_t start = 0;   // in the process
    std::uint64_t bytes = 0;
    friend auto operator<=>(const Shown&, const Shown&) = default;
  };
  [[nodiscard]] std::span<const Shown> shown() const { return shown_; }

 private:
  std::vector<Segment> segments_;
  std::vector<Shown> shown_;
  std::uint64_t bytes_ = 0;
};

}  // namespace img::core
