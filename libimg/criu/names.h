// SPDX-License-Identifier: MIT
// File names of a CRIU image and what they stand for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "libimg/model/record.h"

namespace img::criu {

/// Nothing for a name that no kind has, or that CRIU would not write ("core-066.img").
[[nodiscard]] std::optional<model::FileKey> parse_file_name(std::string_view name);
/// The other way; a zombie has the name of its core. Empty for kinds without a file of their own.
[[nodiscard]] std::string image_file_name(model::FileKey file);

}  // namespace img::criu
