// SPDX-License-Identifier: MIT
// What is mapped where in one process, read once and checked: ascending, without overlap, and not
// more than a core can say. Guard regions are no mappings and left out.
#pragma once

#include <string>
#include <vector>

#include "libimg/model/record.h"
#include "libimg/model/vma.h"

namespace img::core {

struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;  // in the file or object, bytes
  std::uint64_t object = 0;  // VmaEntry.shmid
  std::uint32_t protection = 0;
  std::uint32_t status = 0;
  bool dump = true;  // false: the process asked for it to be left out (MADV_DONTDUMP)

  [[nodiscard]] bool is(std::uint32_t bits) const { return (status & bits) != 0; }
  [[nodiscard]] bool is_file() const {
    return is(model::vma::kFilePrivate | model::vma::kFileShared);
  }
};

struct ProcessMemory {
  std::vector<Mapping> mappings;
  std::vector<std::uint64_t> auxv;
  std::string arguments;  // as ps shows them, cut to what a core has place for

  [[nodiscard]] static Result<ProcessMemory> read(model::ImageReader& reader, std::uint32_t pid);
};

/// Mappings, and pieces of them, that one process can have: a few times what the kernel allows.
inline constexpr std::size_t kMostPieces = std::size_t{1} << 19;

}  // namespace img::core
