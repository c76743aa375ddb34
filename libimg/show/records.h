// SPDX-License-Identifier: MIT
// Which files of an image a person means by `records KIND`.
#pragma once

#include <string_view>

#include "libimg/show/subject.h"

namespace img::show {

/// `name`: a kind of kinds.inc (`core`), or one file (`core-66.img`). With chosen pids, of kinds
/// that have ids only files whose id is one of them. An error where there is none.
[[nodiscard]] Result<std::vector<FileKey>> record_files(Subject& subject, std::string_view name);

}  // namespace img::show
