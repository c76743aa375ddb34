// SPDX-License-Identifier: MIT
// Copies of address spaces that cost no copying: a clone of each process, made by itself, that
// never runs its program. The tree goes on while memory is read from the clones.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "live/dump/memory_writer.h"
#include "live/trace/freeze.h"

namespace img::dump {

class Snapshots {
 public:
  /// One of every process of the stopped tree, and the sources of `spaces` turned to them. Nothing
  /// where one cannot be made: then none is, and the spaces are as they were.
  [[nodiscard]] static Result<std::optional<Snapshots>> take(trace::FrozenTree& tree,
                                                             std::vector<PlacedSpace>& spaces);
};

}  // namespace img::dump
