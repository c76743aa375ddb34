// SPDX-License-Identifier: MIT
// An image and its parents as one archive: the archive it came in, where it came in one; else a tar
// of its files, and of a chain a folder for each level.
#pragma once

#include "libimg/archive/compressed.h"
#include "libimg/convert/convert.h"
#include "libimg/model/record.h"

namespace img::convert {

/// Levels oldest first.
[[nodiscard]] Result<Outcome> write_archive(const std::vector<model::ImageReader*>& levels,
                                            const Destination& destination, const Options& options);

/// The tar itself, not compressed.
[[nodiscard]] Result<std::uint64_t> write_tar(const std::vector<model::ImageReader*>& levels,
                                              ByteSink& out, const Options& options);

/// What `path` asks for by its suffix; else what the image came in.
[[nodiscard]] archive::Compression compression_for(const std::string& path,
                                                   model::ImageReader& newest);

}  // namespace img::convert
