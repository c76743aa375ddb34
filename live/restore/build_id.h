// SPDX-License-Identifier: MIT
// The GNU build id of an ELF file: 20 bytes that name its content.
#pragma once

#include <vector>

#include "libimg/base/bytes.h"

namespace img::restore {

/// Empty: it has none, or is no ELF file of 64 bits.
[[nodiscard]] std::vector<std::byte> build_id_of(int file);

}  // namespace img::restore
