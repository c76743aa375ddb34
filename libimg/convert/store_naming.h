// SPDX-License-Identifier: MIT
// What the images of one import are called (cli.md, "Names").
#pragma once

#include <string>

#include "libimg/model/record.h"
#include "libimg/store/txn.h"

namespace img::convert {

/// Of the image that gives the name: its series if it has one, else the root program's name.
[[nodiscard]] std::string series_of(model::ImageReader& image);

/// `as`, or the first of SERIES-TIME, SERIES-TIME.2 ... that is free for so many levels.
[[nodiscard]] Result<std::string> base_name(const store::Txn& txn, const std::string& as,
                                            const std::string& series, std::uint64_t now_ns,
                                            std::size_t levels);

/// NAME, or NAME.1 ... NAME.n for a chain.
[[nodiscard]] std::string level_name(const std::string& base, std::size_t level,
                                     std::size_t levels);

}  // namespace img::convert
