// SPDX-License-Identifier: MIT
// A program or library of this host that is the one an image means.
#pragma once

#include "libimg/base/mapped_file.h"
#include "schema/regular_files_generated.h"

namespace img::core {

/// Empty unless the file is there, is an ELF file, and has the size and build id of the image. An
/// image without a build id never gets a file.
[[nodiscard]] MappedFile same_file_on_host(const schema::RegFileEntry& file);

}  // namespace img::core
