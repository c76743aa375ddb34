// SPDX-License-Identifier: MIT
// Which packs of others an image refers to, and how many of their bytes: each block once, however
// often it is referred to. A bit for each block.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "libimg/store/id.h"

namespace img::store {

class PackUses {
 public:
  /// The pack's place in the list of them, from 0.
  std::uint32_t add(const Id& pack, std::uint64_t offset, std::uint64_t bytes);

  struct Use {
    Id pack;
    std::uint64_t bytes = 0;
    std::vector<bool> blocks = {};
  };
  /// When nobody adds any more.
  [[nodiscard]] const std::vector<Use>& all() const { return uses_; }

 private:
  std::mutex mutex_;
  std::map<Id, std::uint32_t> places_;
  std::vector<Use> uses_;
};

}  // namespace img::store
