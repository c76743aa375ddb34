// SPDX-License-Identifier: MIT
// Memory and other bytes of an image on their way into tasks and files.
#pragma once

#include <atomic>
#include <span>

#include "libimg/base/result.h"
#include "libimg/model/record.h"
#include "live/plan/plan.h"
#include "live/restore/fault_window.h"
#include "live/trace/remote_memory.h"

namespace img::restore {

/// Memory of a task on its way.
struct MemoryTarget {
  const trace::RemoteMemory& memory;
  const FaultWindow* window = nullptr;           // for what it reaches; the rest is written
  std::atomic<std::uint64_t>* copied = nullptr;  // counts bytes
};

/// Pages of the image into memory that is mapped and writable there.
[[nodiscard]] Result<void> fill_memory(model::ImageReader& image, const plan::Fill& fill,
                                       const MemoryTarget& target);
/// Pages of a shared object below its end, into a file.
[[nodiscard]] Result<void> fill_file(model::ImageReader& image, const plan::FillFile& fill,
                                     int file, std::atomic<std::uint64_t>* copied);
[[nodiscard]] Result<void> copy_payload(model::ImageReader& image, const plan::CopyPayload& step,
                                        int file);

}  // namespace img::restore
