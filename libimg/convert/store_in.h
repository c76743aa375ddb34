// SPDX-License-Identifier: MIT
// Images into a store: one for each level of a chain, those that it has already left out.
#pragma once

#include "libimg/convert/convert.h"
#include "libimg/model/record.h"

namespace img::convert {

/// Levels oldest first. A level below the newest that the store has already (the same digest, the
/// same parent) is not stored again. After an error an existing store has what it had before, a new
/// one is not there.
[[nodiscard]] Result<Outcome> write_store(const std::vector<model::ImageReader*>& levels,
                                          const Destination& destination, const Options& options);

}  // namespace img::convert
