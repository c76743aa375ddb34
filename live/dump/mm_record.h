// SPDX-License-Identifier: MIT
// mm-PID.img: the address space of a process without its pages.
#pragma once

#include <vector>

#include "live/dump/process_facts.h"
#include "live/dump/vma_list.h"

namespace img::dump {

/// `guards`: runs of pages behind which the program wants to be stopped (MADV_GUARD_INSTALL).
[[nodiscard]] Result<void> put_mm(DumpContext& context, FileCollector& files,
                                  const trace::FrozenProcess& process, const ProcessFacts& facts,
                                  const std::vector<Vma>& vmas,
                                  const std::vector<procfs::PageRun>& guards);

}  // namespace img::dump
