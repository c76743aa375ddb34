// SPDX-License-Identifier: MIT
// Where the stub goes in a process: the unused end of its vdso's last page, which is executable,
// belongs to nobody, and becomes a private copy when written. No mapping call is needed first, and
// no text of the program is touched.
#pragma once

#include <cstdint>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"
#include "live/procfs/proc_dir.h"
#include "live/procfs/status.h"
#include "live/trace/remote_memory.h"
#include "live/trace/tracee.h"

namespace img::trace {

struct CallSite {
  std::uint64_t stub = 0;     // address of the stub's first byte
  std::uint64_t scratch = 0;  // what an earlier tracer, killed, left mapped; 0: nothing

  /// How much is mapped for records, and for what they point to.
  static constexpr std::uint64_t kRecordBytes = 32 << 10;
  static constexpr std::uint64_t kDataBytes = 32 << 10;
  static constexpr std::uint64_t kScratchBytes = kRecordBytes + kDataBytes;

  /// One site serves all threads of a process, one after the other.
  [[nodiscard]] static Result<CallSite> find(const procfs::ProcDir& process,
                                             const RemoteMemory& memory);
  /// One from which calls are made and not dispatched to the program; behind its own code where
  /// the vdso is none.
  [[nodiscard]] static Result<CallSite> find_allowed(const procfs::ProcDir& process,
                                                     const RemoteMemory& memory,
                                                     const UserDispatch& dispatch);
};

/// The offset in `vdso` from which on nothing is used, a multiple of 16; Fault::corrupt if the
/// bytes are not an ELF file.
[[nodiscard]] Result<std::uint64_t> unused_from(Bytes vdso);

/// The signal with which the stub announces its end: one that this program ignores, by default or
/// by choice, and that is not waiting. SIGURG, where every one of those is caught.
[[nodiscard]] int announcing_signal(const procfs::Status& status);

}  // namespace img::trace
