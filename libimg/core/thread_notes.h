// SPDX-License-Identifier: MIT
// The notes of one thread.
#pragma once

#include "libimg/core/note_writer.h"
#include "libimg/core/packer.h"
#include "libimg/model/process_tree.h"
#include "schema/core_generated.h"

namespace img::core {

/// NT_PRSTATUS: who it is, its signals, its general registers.
[[nodiscard]] Result<void> write_status(NoteWriter& to, Width width, const model::Process& process,
                                        std::uint32_t tid, const schema::CoreEntry& core);
/// NT_SIGINFO, of the first signal that waits for the thread or, for a leader, for its process;
/// nothing where none does.
[[nodiscard]] Result<void> write_signal(NoteWriter& to, Width width, const schema::CoreEntry& core);
/// All other register sets.
[[nodiscard]] Result<void> write_register_sets(NoteWriter& to, Width width,
                                               const schema::ThreadInfoX86& info);

}  // namespace img::core
