// SPDX-License-Identifier: MIT
// Bytes as base64 (RFC 4648, with padding).
#pragma once

#include <string>
#include <string_view>

#include "libimg/base/bytes.h"

namespace img {

inline constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

[[nodiscard]] constexpr std::size_t base64_size(std::size_t bytes) {
  return (bytes + 2) / 3 * 4;
}

/// Writes base64_size() characters, and returns where they end.
char* put_base64(Bytes bytes, char* to);

/// In one line.
[[nodiscard]] std::string base64(Bytes bytes);

}  // namespace img
