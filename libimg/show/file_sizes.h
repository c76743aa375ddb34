// SPDX-License-Identifier: MIT
// How many bytes each file of an image takes as CRIU writes it, whatever the image is kept as.
#pragma once

#include <cstdint>
#include <vector>

#include "libimg/show/subject.h"

namespace img::show {

struct FileSize {
  FileKey file;
  std::uint64_t messages = 0;
  std::uint64_t record_bytes = 0;   // header words, messages and their size words
  std::uint64_t payload_bytes = 0;  // of a page map: the pages, which are in a file of their own
};

struct FileSizes {
  std::vector<FileSize> files;
  std::uint64_t record_bytes = 0;
  std::uint64_t payload_bytes = 0;
  [[nodiscard]] std::uint64_t total() const { return record_bytes + payload_bytes; }
};

/// Reads every record; touches no memory pages.
[[nodiscard]] FileSizes sizes_of_files(Subject& subject);

}  // namespace img::show
