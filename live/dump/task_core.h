// SPDX-License-Identifier: MIT
// TaskCoreEntry: what a process has once, whatever its threads are.
#pragma once

#include "live/dump/process_facts.h"
#include "schema/core_generated.h"

namespace img::dump {

[[nodiscard]] Result<flatbuffers::Offset<schema::TaskCoreEntry>> write_task(
    flatbuffers::FlatBufferBuilder& builder, const trace::FrozenProcess& process,
    const ProcessFacts& facts);

/// Signals that wait for a thread, or for its process.
[[nodiscard]] Result<flatbuffers::Offset<schema::SignalQueueEntry>> write_pending(
    flatbuffers::FlatBufferBuilder& builder, const trace::Tracee& tracee, bool of_process);

}  // namespace img::dump
