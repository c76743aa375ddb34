// SPDX-License-Identifier: MIT
// The notes of a process as a whole.
#pragma once

#include "libimg/core/backing.h"
#include "libimg/core/note_writer.h"
#include "libimg/core/packer.h"
#include "libimg/model/process_tree.h"
#include "schema/core_generated.h"

namespace img::core {

/// NT_PRPSINFO. `creds` may be null.
[[nodiscard]] Result<void> write_process(NoteWriter& to, Width width, const model::Process& process,
                                         const std::string& arguments,
                                         const schema::CoreEntry& core,
                                         const schema::CredsEntry* creds);
/// NT_AUXV.
[[nodiscard]] Result<void> write_auxv(NoteWriter& to, Width width,
                                      const std::vector<std::uint64_t>& auxv);
/// NT_FILE: which file is mapped where.
[[nodiscard]] Result<void> write_file_map(NoteWriter& to, Width width,
                                          const std::vector<Mapping>& mappings,
                                          const Backings& backings);

}  // namespace img::core
