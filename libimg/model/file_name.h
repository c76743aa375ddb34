// SPDX-License-Identifier: MIT
// What CRIU calls an image file.
#pragma once

#include <string>

#include "libimg/model/record.h"

namespace img::model {

/// "core-66.img"; a zombie has the name of its core. Empty for kinds without a file of their own.
[[nodiscard]] std::string image_file_name(FileKey file);

}  // namespace img::model
