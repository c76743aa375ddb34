// SPDX-License-Identifier: MIT
// The binary schema (.bfbs) that this build was made with: the only declaration of the format.
#pragma once

#include <span>

namespace img::schema {
[[nodiscard]] std::span<const unsigned char> binary_schema();
}
