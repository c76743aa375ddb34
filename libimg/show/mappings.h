// SPDX-License-Identifier: MIT
// The mappings of one process with what the image holds of each. Pages of shared objects are told
// apart: several mappings may show the same ones.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "libimg/show/subject.h"

namespace img::show {

enum class MappingKind : std::uint8_t {
  anonymous,
  heap,
  stack,
  file,
  shared_file,
  shared_anonymous,
  sysv,
  memfd,
  special,  // vdso, vvar, vsyscall, aio ring, packet ring
  guard,
};
[[nodiscard]] std::string_view mapping_kind_name(MappingKind kind);

struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;
  std::uint64_t object = 0;  // VmaEntry.shmid
  std::uint32_t protection = 0;
  std::uint32_t flags = 0;
  std::uint32_t status = 0;
  MappingKind kind = MappingKind::anonymous;
  PageSums pages;                 // of the process alone
  std::optional<FileKey> shared;  // the object that it shows, where that is in the image
  PageSums shared_pages;          // of that object, as far as it is shown here

  [[nodiscard]] bool is_shared() const { return (flags & 1) != 0; }
};

struct Mappings {
  std::vector<Mapping> all;  // ascending, as far as the image has them so
  PageSums outside;          // pages in none of them
};

/// What is mapped, without the pages.
[[nodiscard]] Mappings places_of(Subject& subject, std::uint32_t pid);
[[nodiscard]] Mappings mappings_of(Subject& subject, std::uint32_t pid);
/// All of a page map.
[[nodiscard]] PageSums sums_of(Subject& subject, FileKey pagemap);
/// What is mapped: a path, "[heap]", "shared memory 4507".
[[nodiscard]] std::string mapping_words(Subject& subject, const Mapping& mapping);
/// The path, where a file is mapped.
[[nodiscard]] std::string mapping_path(Subject& subject, const Mapping& mapping);

}  // namespace img::show
