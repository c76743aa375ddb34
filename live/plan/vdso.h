// SPDX-License-Identifier: MIT
// Whether two vdsos are the same to a program: the same functions at the same places. Where and by
// whom they were built may differ.
#pragma once

#include <vector>

#include "libimg/base/bytes.h"

namespace img::plan {

/// A vdso without its notes (the build id) and its run path: zeros are there instead.
[[nodiscard]] std::vector<std::byte> vdso_substance(Bytes vdso);

}  // namespace img::plan
