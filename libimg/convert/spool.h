// SPDX-License-Identifier: MIT
// A stream as a mapped file: readers of images want all bytes at once and none of them in the heap.
#pragma once

#include <atomic>
#include <string>

#include "libimg/base/mapped_file.h"
#include "libimg/base/result.h"

namespace img::convert {

[[nodiscard]] Result<MappedFile> map_regular(int fd, const std::string& name);

/// All of `fd` until its end, through a nameless temporary file ($TMPDIR, else /var/tmp) unless it
/// is a regular file itself. Gives up when `stop` becomes other than 0.
[[nodiscard]] Result<MappedFile> spool(int fd, const std::string& name,
                                       const std::atomic<int>* stop);

}  // namespace img::convert
