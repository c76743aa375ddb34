// SPDX-License-Identifier: MIT
// What inotify and fanotify watch: found by its path, or by its file handle.
#pragma once

#include <string>

#include "live/plan/files/image_files.h"

namespace img::plan {

struct WatchedFile {
  const schema::FhEntry* handle = nullptr;
  std::uint32_t device = 0;  // st_dev as the kernel numbers it
  std::uint64_t inode = 0;   // as it was: finds a deleted file of the image
};

/// An O_PATH descriptor of the restorer. `who`: for messages.
[[nodiscard]] Result<Slot> open_watched(FileContext& context, const WatchedFile& watched,
                                        const std::string& who);

}  // namespace img::plan
