// SPDX-License-Identifier: MIT
// Restartable sequences: a task that was stopped inside a critical section goes on at the
// section's abort address, as the kernel itself would have it after a preemption. Whoever moves
// the instruction pointer must see to it, because the kernel then no longer does.
#pragma once

#include <cstdint>

#include "libimg/base/result.h"
#include "live/trace/remote_memory.h"
#include "live/trace/tracee.h"

namespace img::trace {

/// struct rseq_cs
struct RseqSection {
  std::uint32_t version = 0;
  std::uint32_t flags = 0;
  std::uint64_t start = 0;
  std::uint64_t bytes = 0;  // up to the commit, without it
  std::uint64_t abort = 0;
};

/// Where a task stopped at `ip` goes on.
[[nodiscard]] constexpr std::uint64_t after_abort(const RseqSection& section, std::uint64_t ip) {
  return ip - section.start < section.bytes ? section.abort : ip;
}

/// Where the stopped task goes on: `ip`, unless it is inside its critical section.
[[nodiscard]] Result<std::uint64_t> rseq_resume(const Tracee& tracee, const RemoteMemory& memory,
                                                std::uint64_t ip);

}  // namespace img::trace
