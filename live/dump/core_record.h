// SPDX-License-Identifier: MIT
// core-TID.img: what a stopped thread is, from its registers to its name, and what its process is,
// in that of the leader.
#pragma once

#include <cstdint>

#include "live/arch/x86_64/xsave.h"
#include "live/dump/dump_context.h"
#include "live/dump/process_facts.h"
#include "live/procfs/status.h"
#include "live/trace/remote_memory.h"

namespace img::dump {

/// One thread, and all that is known of it from elsewhere.
struct ThreadView {
  const trace::FrozenProcess& process;
  const trace::Tracee& tracee;
  const procfs::ProcDir& dir;
  const procfs::Status& status;
  const ThreadFacts& facts;
  std::uint32_t cgroup_set = 0;
  std::optional<std::uint32_t> seccomp_filter;
};

struct CoreTools {
  const arch::XsaveLayout& xsave;
  const trace::RemoteMemory& memory;
  RecordBuffer& records;
  Remarks& remarks;
};

/// `leader`: the facts of the process, in the core of its main thread only.
[[nodiscard]] Result<void> put_core(const ThreadView& thread, const ProcessFacts* leader,
                                    const CoreTools& tools);

/// Registers as CRIU keeps them: a call that is to be made again is about to be, and one that goes
/// on from what only the kernel knows has been interrupted (see arch::rest_of_call).
[[nodiscard]] arch::Registers as_recorded(arch::Registers registers);

}  // namespace img::dump
