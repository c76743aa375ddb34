// SPDX-License-Identifier: MIT
// What a file is, from its first bytes; pure. Knows many formats, reads none of them.
#pragma once

#include <string_view>

#include "libimg/base/bytes.h"

namespace img::convert {

enum class Content {
  unknown,
  criu,       // an image file of CRIU with a header
  criu_json,  // JSON of one image file, as crit writes it
  json,       // other JSON
  tar,
  gzip,
  zstd,
  dmtcp,     // known, and not read
  streamed,  // a shard of criu-image-streamer: known, and not read
};

/// How much of a file is looked at.
inline constexpr std::size_t kSniffBytes = 4096;

[[nodiscard]] Content sniff(Bytes head);

}  // namespace img::convert
