// SPDX-License-Identifier: MIT
// An image of a store without its parents, in the same store: its memory is referred to where it
// is, in their packs.
#pragma once

#include "libimg/convert/convert.h"

namespace img::convert {

/// Takes the name's place in one commit, or makes `options.as` beside it. An image whose parent it
/// was keeps the old one, which then has no name. An image without parent is left as it is.
[[nodiscard]] Result<Made> flatten_in_store(const std::string& path, const std::string& name,
                                            const Options& options);

}  // namespace img::convert
