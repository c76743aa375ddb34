// SPDX-License-Identifier: MIT
// The images that img-check is asked about, and the asking: a store is opened only in a child
// process, since its database may be from anybody.
#pragma once

#include <vector>

#include "libimg/check/check.h"
#include "libimg/convert/open_image.h"

namespace img::tools {

/// Every image of a store, every member of a folder; else the source itself.
[[nodiscard]] Result<std::vector<convert::Source>> images_to_check(const convert::Source& source);

/// Whether an image that images_to_check has listed is in its store no more.
[[nodiscard]] bool has_gone(const convert::Source& image);

/// Damage that stops the reading is a finding, not an error.
[[nodiscard]] Result<check::Summary> check_source(const convert::Source& source,
                                                  check::Options options,
                                                  check::FindingSink& findings);

}  // namespace img::tools
