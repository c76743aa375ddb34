// SPDX-License-Identifier: MIT
// What stands in for a file that lost its name, whichever CRIU version wrote it.
#pragma once

#include <cstdint>

#include "schema/remaps_generated.h"

namespace img::model {

struct Remap {
  std::uint32_t orig_id = 0;
  std::uint32_t remap_id = 0;
  schema::RemapType type = schema::RemapType::LINKED;
};

/// Before CRIU 1.4 the highest bit of the id says what `remap_type` says since.
[[nodiscard]] inline Remap remap_from(const schema::RemapFilePathEntry& entry) {
  constexpr std::uint32_t kOldGhostBit = 0x80000000U;
  Remap remap{entry.orig_id(), entry.remap_id(), schema::RemapType::LINKED};
  if (entry.remap_type()) {
    remap.type = *entry.remap_type();
  } else if ((remap.remap_id & kOldGhostBit) != 0) {
    remap.type = schema::RemapType::GHOST;
    remap.remap_id &= ~kOldGhostBit;
  }
  return remap;
}

}  // namespace img::model
