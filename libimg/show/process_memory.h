// SPDX-License-Identifier: MIT
// The memory that a process sees: its own pages, and under them those of the shared objects that
// it maps, as far as the image and its parents have them.
#pragma once

#include <map>
#include <vector>

#include "libimg/model/address_space.h"
#include "libimg/show/subject.h"

namespace img::show {

/// All of [begin, end), ascending.
[[nodiscard]] Result<void> visit_process(Subject& subject, std::uint32_t pid, std::uint64_t begin,
                                         std::uint64_t end, model::MemorySink& sink);

/// A part of a shared object, and where a process sees it.
struct Sight {
  std::uint32_t pid = 0;
  std::uint64_t address = 0;
  std::uint64_t offset = 0;  // in the object
  std::uint64_t bytes = 0;
};
/// Of each object: all sights of the first chosen process that maps it.
[[nodiscard]] std::map<FileKey, std::vector<Sight>> sights_of_shared(Subject& subject);

}  // namespace img::show
