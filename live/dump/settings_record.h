// SPDX-License-Identifier: MIT
// The record of what a process and its threads have set that no message of CRIU has a place for.
// Only what somebody has set is in it, and where nobody has set anything there is none. What is
// kept nowhere is noted.
#pragma once

#include "live/arch/x86_64/xsave.h"
#include "live/dump/dump_context.h"
#include "live/dump/process_facts.h"

namespace img::dump {

[[nodiscard]] Result<void> put_settings(const trace::FrozenProcess& process,
                                        const ProcessFacts& facts, const arch::XsaveLayout& xsave,
                                        RecordBuffer& records, Remarks& remarks);

}  // namespace img::dump
