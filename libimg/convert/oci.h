// SPDX-License-Identifier: MIT
// OCI layouts: what registries store, and what Podman and CRI-O restore from.
#pragma once

#include "libimg/convert/convert.h"
#include "libimg/convert/open_image.h"
#include "libimg/model/record.h"

namespace img::convert {

/// An image of one layer, which is the archive, with the annotations that runtimes look for. Levels
/// oldest first.
[[nodiscard]] Result<Outcome> write_oci(const std::vector<model::ImageReader*>& levels,
                                        const Destination& destination, const Options& options);

/// The image with this tag, or the last of the index.
[[nodiscard]] Result<std::unique_ptr<model::ImageReader>> open_oci(const Source& source,
                                                                   const OpenOptions& options);

/// One source for each image that has a tag.
[[nodiscard]] Result<std::vector<Source>> images_of_oci(const Source& source);

}  // namespace img::convert
