// SPDX-License-Identifier: MIT
// Mappings of a task whose missing pages are given to it whole (userfaultfd): a page that is copied
// in like this is not filled with zeros first, and nobody looks it up afterwards. That is a quarter
// faster than writing to it; for anonymous private memory, while its owner stands still.
#pragma once

#include <optional>
#include <vector>

#include "libimg/base/unique_fd.h"
#include "live/plan/plan.h"
#include "live/restore/remote_calls.h"

namespace img::restore {

class FaultWindow {
 public:
  /// Those of `ranges` that the kernel takes. Nothing where it takes none: they are written to.
  [[nodiscard]] static Result<std::optional<FaultWindow>> open(
      RemoteCalls& remote, MadeTask& task, int signal, const std::vector<plan::Range>& ranges);

  /// Ascending. Until this ends nobody else may touch a missing page in them: it would wait.
  [[nodiscard]] const std::vector<plan::Range>& ranges() const { return ranges_; }
  /// Whole pages, into one of the ranges. From any thread.
  [[nodiscard]] Result<void> copy(std::uint64_t address, Bytes pages) const;

 private:
  FaultWindow(UniqueFd fd, const trace::RemoteMemory& memory)
      : fd_(std::move(fd)), memory_(&memory) {}

  UniqueFd fd_;  // closed, it lets go of the mappings
  const trace::RemoteMemory* memory_;
  std::vector<plan::Range> ranges_;
};

}  // namespace img::restore
