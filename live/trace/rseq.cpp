// SPDX-License-Identifier: MIT
#include "live/trace/rseq.h"

#include <cerrno>

namespace img::trace {
namespace {
constexpr std::uint64_t kSectionPointer = 8;  // struct rseq: cpu_id_start, cpu_id, rseq_cs
}

Result<std::uint64_t> rseq_resume(const Tracee& tracee, const RemoteMemory& memory,
                                  std::uint64_t ip) {
  const auto state = tracee.rseq();
  if (!state && (state.error().sys_errno == EIO || state.error().sys_errno == EINVAL)) {
    return ip;  // a kernel without rseq
  }
  IMG_TRY(state);
  if (state->address == 0) {
    return ip;
  }
  // What cannot be read the kernel could not read either, and it would kill the task for it.
  const auto at = memory.get<std::uint64_t>(state->address + kSectionPointer);
  if (!at || *at == 0) {
    return ip;
  }
  const auto section = memory.get<RseqSection>(*at);
  return section ? after_abort(*section, ip) : ip;
}

}  // namespace img::trace
