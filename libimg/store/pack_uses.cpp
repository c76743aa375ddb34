// SPDX-License-Identifier: MIT
#include "libimg/store/pack_uses.h"

#include "libimg/store/pack_file.h"

namespace img::store {

std::uint32_t PackUses::add(const Id& pack, std::uint64_t offset, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  const auto [known, is_new] = places_.try_emplace(pack, static_cast<std::uint32_t>(uses_.size()));
  if (is_new) {
    uses_.push_back({pack});
  }
  Use& use = uses_[known->second];
  const std::uint64_t end = (offset + bytes + kBlockBytes - 1) / kBlockBytes;
  if (use.blocks.size() < end) {
    use.blocks.resize(end);
  }
  for (std::uint64_t block = offset / kBlockBytes; block < end; ++block) {
    if (!use.blocks[block]) {
      use.blocks[block] = true;
      use.bytes += kBlockBytes;
    }
  }
  return known->second;
}

}  // namespace img::store
