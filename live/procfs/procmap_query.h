// SPDX-License-Identifier: MIT
// One mapping by address, without the text of all of them: PROCMAP_QUERY (Linux 6.11), or maps
// read again where the kernel has no such call.
#pragma once

#include <cstdint>
#include <optional>

#include "libimg/base/result.h"
#include "live/procfs/maps.h"
#include "live/procfs/proc_dir.h"

namespace img::procfs {

enum class Find { covering, covering_or_next };

/// Nothing if no mapping answers. `maps_fd` is an open /proc/PID/maps.
[[nodiscard]] Result<std::optional<Mapping>> query_mapping(const ProcDir& process, int maps_fd,
                                                           std::uint64_t address, Find find);

}  // namespace img::procfs
