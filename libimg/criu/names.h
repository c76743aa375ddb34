// SPDX-License-Identifier: MIT
// File names of a CRIU image and what they stand for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libimg/model/file_name.h"
#include "libimg/model/record.h"

namespace img::criu {

/// Nothing for a name that no kind has, or that CRIU would not write ("core-066.img").
[[nodiscard]] std::optional<model::FileKey> parse_file_name(std::string_view name);
/// The other way.
using model::image_file_name;

}  // namespace img::criu
