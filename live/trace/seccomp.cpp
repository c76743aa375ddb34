// SPDX-License-Identifier: MIT
#include <linux/seccomp.h>
#include <sys/ptrace.h>

#include <cerrno>

#include "live/trace/tracee.h"

namespace img::trace {
namespace {

constexpr int kGetFilter = 0x420c;    // PTRACE_SECCOMP_GET_FILTER
constexpr int kGetMetadata = 0x420d;  // PTRACE_SECCOMP_GET_METADATA
constexpr std::size_t kInstructionBytes = 8;

long raw(int number, pid_t tid, std::uint64_t address, void* data) {
  return ::ptrace(static_cast<__ptrace_request>(number), tid, reinterpret_cast<void*>(address),
                  data);
}

}  // namespace

Result<std::optional<SeccompProgram>> Tracee::seccomp_program(std::uint64_t index) const {
  const long length = raw(kGetFilter, tid_, index, nullptr);
  if (length < 0) {
    return errno == ENOENT ? Result<std::optional<SeccompProgram>>(std::nullopt)
                           : fail(error("SECCOMP_GET_FILTER", errno));
  }
  SeccompProgram out;
  out.instructions.resize(static_cast<std::size_t>(length) * kInstructionBytes);
  if (raw(kGetFilter, tid_, index, out.instructions.data()) != length) {
    return fail(error("SECCOMP_GET_FILTER", errno));
  }
  struct {
    std::uint64_t index;
    std::uint64_t flags;
  } metadata{index, 0};
  if (raw(kGetMetadata, tid_, sizeof metadata, &metadata) > 0) {
    out.flags = metadata.flags;
  }
  return std::optional(std::move(out));
}

}  // namespace img::trace
