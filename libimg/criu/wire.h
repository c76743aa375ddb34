// SPDX-License-Identifier: MIT
// Words of an image file's frame. They are in the byte order of the host that dumped: everywhere
// little-endian but on s390x, where only a byte-swapped magic tells.
#pragma once

#include <cstdint>

#include "libimg/base/bytes.h"

namespace img::criu {

inline constexpr std::uint32_t kCommonMagic = 0x54564319;
inline constexpr std::uint32_t kServiceMagic = 0x55105940;
inline constexpr std::uint32_t kWordBytes = 4;

struct WordOrder {
  bool swapped = false;

  [[nodiscard]] std::uint32_t get32(const void* at) const {
    const auto value = load<std::uint32_t>(at);
    return swapped ? __builtin_bswap32(value) : value;
  }
  void put32(void* at, std::uint32_t value) const {
    store_at(at, swapped ? __builtin_bswap32(value) : value);
  }
};

}  // namespace img::criu
