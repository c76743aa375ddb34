// SPDX-License-Identifier: MIT
// Memory and other bytes of an image on their way into tasks and files.
#pragma once

#include <atomic>
#include <span>

#include "libimg/base/result.h"
#include "libimg/model/record.h"
#include "live/plan/plan.h"
#include "live/trace/remote_memory.h"

namespace img::restore {

/// Pages of process `pid` of the image that lie in `ranges` (ascending), into memory that is
/// mapped and writable there. `copied`, if any, counts their bytes.
[[nodiscard]] Result<void> fill_memory(model::ImageReader& image, const plan::Fill& fill,
                                       const trace::RemoteMemory& memory,
                                       std::atomic<std::uint64_t>* copied = nullptr);
/// Pages of a shared object below `bytes`, into a file.
[[nodiscard]] Result<void> fill_file(model::ImageReader& image, model::FileKey pagemap,
                                     std::uint64_t bytes, int file);
[[nodiscard]] Result<void> copy_payload(model::ImageReader& image, const plan::CopyPayload& step,
                                        int file);

}  // namespace img::restore
