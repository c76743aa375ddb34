// SPDX-License-Identifier: MIT
// Images as directories: of CRIU's files or of JSON. One image becomes OUT, a chain OUT/1 ...
// OUT/n.
#pragma once

#include "libimg/convert/convert.h"
#include "libimg/model/record.h"

namespace img::convert {

/// `form` is Form::criu or Form::json. Levels oldest first.
[[nodiscard]] Result<Outcome> write_directories(const std::vector<model::ImageReader*>& levels,
                                                Form form, const std::string& place,
                                                const Options& options);

}  // namespace img::convert
