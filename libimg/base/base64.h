// SPDX-License-Identifier: MIT
// Bytes as base64 (RFC 4648, with padding), in one line.
#pragma once

#include <string>

#include "libimg/base/bytes.h"

namespace img {

[[nodiscard]] std::string base64(Bytes bytes);

}  // namespace img
