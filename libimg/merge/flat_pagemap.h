// SPDX-License-Identifier: MIT
// One page map of a chain, with all the memory that it leaves to its parents.
#pragma once

#include <vector>

#include "libimg/model/record.h"

namespace img::merge {

/// Of Kind::pagemap or pagemap_shmem. Levels newest first. Where the newest leaves nothing out, its
/// records as they are. A page that no level has is Fault::corrupt.
[[nodiscard]] Result<void> read_flat(const std::vector<model::ImageReader*>& levels,
                                     model::FileKey pagemap, model::RecordSink& sink);

}  // namespace img::merge
