// SPDX-License-Identifier: MIT
// One open file in words. Content that is queued in it is not told here, only how much.
#pragma once

#include <optional>
#include <string>

#include "libimg/show/subject.h"

namespace img::show {

struct FileWords {
  std::string type;    // "file", "tcp", "pipe" ...
  std::string what;    // a path, addresses, an id: what a person knows it by
  std::string path;    // of what has one
  std::string access;  // open flags in words
  std::optional<std::uint64_t> position;
  std::optional<std::uint64_t> size;
};

[[nodiscard]] FileWords words_of(Subject& subject, const model::OpenFile& file);
/// `what` of a file by its id; "file 7 (missing)" where there is none.
[[nodiscard]] std::string file_words(Subject& subject, std::uint32_t id);
/// " (deleted; content in the image)" and the like, or nothing.
[[nodiscard]] std::string remap_words(Subject& subject, std::uint32_t file_id);

}  // namespace img::show
