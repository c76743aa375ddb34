// SPDX-License-Identifier: MIT
// Every image of many sources in one store, with the memory they have in common kept once. An image
// is there whole or not at all; what the store has already is not copied again, so that uniting
// twice is uniting once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libimg/convert/convert.h"

namespace img::convert {

/// One image of a source.
struct Joined {
  std::string from;  // "old.store::redis", "dumps/3"
  std::vector<Made> levels;
  std::optional<Error> error;  // instead of levels: it could not be read, others went on
};

/// Into the store at `path`, which is made if it is missing. The error is one that stopped all:
/// names that clash are found before anything is copied. `options.as` is for a single image.
/// `options.known` is not looked at.
[[nodiscard]] Result<std::vector<Joined>> unite(const std::vector<Source>& sources,
                                                const std::string& path, const Options& options);

}  // namespace img::convert
