// SPDX-License-Identifier: MIT
// An image and those that it leaves pages to.
#pragma once

#include <string>
#include <vector>

#include "libimg/model/record.h"

namespace img::convert {

/// Oldest first; `newest` is the last. Borrowed from it.
[[nodiscard]] Result<std::vector<model::ImageReader*>> levels_of(model::ImageReader& newest);

/// What `parent` says in level 2 and later of a chain OUT/1 ... OUT/n.
[[nodiscard]] std::string level_link(std::size_t level);

}  // namespace img::convert
