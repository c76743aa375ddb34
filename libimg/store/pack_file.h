// SPDX-License-Identifier: MIT
// What readers and writers of packs agree on. A pack is a file of bytes in blocks of 4,096, the
// last padded with zeros; beside it the hash of every block. It says nothing of itself: what is
// where is known only to the records that refer to it.
#pragma once

#include <cstdint>
#include <string>

#include "libimg/store/id.h"

namespace img::store {

inline constexpr std::uint64_t kBlockBytes = 4096;
/// XXH3-128 of a block: low half, then high half, little-endian.
inline constexpr std::uint64_t kHashBytes = 16;
/// A byte run at least this long begins a block of its own; shorter ones at a multiple of 8.
inline constexpr std::uint64_t kLongRunBytes = 64 * 1024;

[[nodiscard]] inline std::string pack_file_name(const Id& id) {
  return id.hex() + ".pack";
}
[[nodiscard]] inline std::string hash_file_name(const Id& id) {
  return id.hex() + ".hash";
}

}  // namespace img::store
