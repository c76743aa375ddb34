// SPDX-License-Identifier: MIT
// What of a mapping an image cannot hold, by what the kernel says about it. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "live/procfs/maps.h"
#include "live/state/state.h"

namespace img::dump {

/// `status`: bits of VmaEntry.status.
[[nodiscard]] std::vector<state::Piece> pieces_of(const procfs::SmapsMapping& mapping,
                                                  std::uint32_t status);

}  // namespace img::dump
