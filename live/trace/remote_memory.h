// SPDX-License-Identifier: MIT
// The memory of another process. Needs no stop and no tracing, only the right to trace; may be
// used from any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"

namespace img::trace {

struct RemoteRange {
  std::uint64_t start = 0;
  std::uint64_t bytes = 0;
};

class RemoteMemory {
 public:
  /// Opens /proc/PID/mem; that descriptor stays with this process even if the pid lives again.
  [[nodiscard]] static Result<RemoteMemory> open(pid_t pid);

  [[nodiscard]] Result<void> read(std::uint64_t address, std::span<std::byte> out) const;
  /// As read_ranges(). Pages that it shares with relatives since a fork stay shared, where reading
  /// them the other way makes a copy of each; ranges of few pages take longer.
  [[nodiscard]] Result<void> peek_ranges(std::span<const RemoteRange> ranges,
                                         std::span<std::byte> out) const;
  [[nodiscard]] Result<void> write(std::uint64_t address, Bytes bytes) const;
  /// All ranges, one after the other; `out` has room for exactly their sum. What the program
  /// itself may not read (PROT_NONE) is read too.
  [[nodiscard]] Result<void> read_ranges(std::span<const RemoteRange> ranges,
                                         std::span<std::byte> out) const;
  /// Past the protection of the mapping: a private copy is made of what is not writable.
  [[nodiscard]] Result<void> overwrite(std::uint64_t address, Bytes bytes) const;

  template <class T>
  [[nodiscard]] Result<T> get(std::uint64_t address) const {
    T out{};
    IMG_TRY(read(address, std::as_writable_bytes(std::span(&out, 1))));
    return out;
  }

  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  RemoteMemory(pid_t pid, UniqueFd file) : pid_(pid), file_(std::move(file)) {}
  [[nodiscard]] Result<void> read_file(std::uint64_t address, std::span<std::byte> out) const;
  [[nodiscard]] Error error(const char* what, std::uint64_t address, int sys_errno) const;

  pid_t pid_;
  UniqueFd file_;
};

}  // namespace img::trace
