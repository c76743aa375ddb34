// SPDX-License-Identifier: MIT
// Parts of a core that are judged by themselves.
#pragma once

#include "libimg/check/facts.h"
#include "schema/core_generated.h"

namespace img::check {

/// CPU-1, CPU-2, TLS-1.
void judge_x86(Facts& facts, const Record& record, const schema::ThreadInfoX86& info);
/// THR-2, THR-3, THR-5, CORE-13.
void judge_thread(Facts& facts, const Record& record, const schema::ThreadCoreEntry& thread,
                  const Process* process);
/// CORE-12.
void judge_timers(Facts& facts, const Record& record, const schema::TaskTimersEntry& timers,
                  const Process* process);
void judge_itimer(Facts& facts, const Record& record, const char* field,
                  const schema::ItimerEntry& timer);
void judge_posix_timers(Facts& facts, const Record& record,
                        const std::vector<const schema::PosixTimerEntry*>& timers,
                        const Process* process);
/// CORE-13.
void judge_signals(Facts& facts, const Record& record, const char* field,
                   const schema::SignalQueueEntry& queue);
void judge_siginfo(Facts& facts, const Record& record, const char* field,
                   const schema::SiginfoEntry& entry);

}  // namespace img::check
