// SPDX-License-Identifier: MIT
// Whether a pack still holds what was sealed: every block against its hash. Reads all of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/store/id.h"

namespace img::store {

/// A run of blocks (kBlockBytes each) that are not what their hashes say.
struct BadBlocks {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};

/// In order, at most `most` runs. Fault::corrupt: the pack has another length, or the hashes do not
/// match `hashes_digest`. Fault::missing: a file is not there. Uses every core of up to two.
[[nodiscard]] Result<std::vector<BadBlocks>> compare_pack(int packs, const Id& id,
                                                          std::uint64_t bytes,
                                                          const Id& hashes_digest,
                                                          const std::string& place,
                                                          std::size_t most);

}  // namespace img::store
