// SPDX-License-Identifier: MIT
// How many bytes each file of an image takes as CRIU writes it, whatever the image is kept as, and
// how many pages each page map stands for.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "libimg/model/record.h"

namespace img::show {

class Subject;

/// Bytes.
struct PageSums {
  std::uint64_t present = 0;
  std::uint64_t lazy = 0;    // of those present
  std::uint64_t parent = 0;  // left to the parent image
  std::uint64_t zero = 0;    // in the page map, and nowhere else
};

/// The pages of a run with these flags.
void count(PageSums& sums, std::uint32_t flags, std::uint64_t bytes);

struct FileSize {
  model::FileKey file;
  std::uint64_t messages = 0;
  std::uint64_t record_bytes = 0;   // header words, messages and their size words
  std::uint64_t payload_bytes = 0;  // of a page map: the pages, which are in a file of their own
  PageSums pages;                   // of a page map
};

struct FileSizes {
  std::vector<FileSize> files;  // ascending
  std::uint64_t record_bytes = 0;
  std::uint64_t payload_bytes = 0;
  [[nodiscard]] std::uint64_t total() const { return record_bytes + payload_bytes; }
  /// All page maps of a kind together.
  [[nodiscard]] PageSums pages_of(schema::Kind kind) const;
};

using SeeRecord = std::function<void(const model::Record&)>;

/// Reads every record, shows each to `see` on the way, and touches no memory pages.
[[nodiscard]] FileSizes sizes_of_files(Subject& subject, const SeeRecord& see);

}  // namespace img::show
