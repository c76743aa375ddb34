// SPDX-License-Identifier: MIT
// Memory for many small verified records that live as long as their table.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <vector>

#include "libimg/base/bytes.h"

namespace img::model {

class Arena {
 public:
  /// A copy, aligned to 8 as FlatBuffers need it, valid as long as the arena (also when moved).
  [[nodiscard]] Bytes keep(Bytes bytes) {
    const std::size_t size = round_up(bytes.size(), 8);
    if (size > left_) {
      const std::size_t chunk = size > kChunk / 4 ? size : kChunk;
      chunks_.emplace_back(new std::byte[chunk]);
      if (chunk != kChunk) {  // a large one has a chunk of its own; go on filling the last
        std::memcpy(chunks_.back().get(), bytes.data(), bytes.size());
        return {chunks_.back().get(), bytes.size()};
      }
      next_ = chunks_.back().get();
      left_ = kChunk;
    }
    std::byte* place = next_;
    next_ += size;
    left_ -= size;
    if (!bytes.empty()) {
      std::memcpy(place, bytes.data(), bytes.size());
    }
    return {place, bytes.size()};
  }

 private:
  static constexpr std::size_t kChunk = 256 * 1024;
  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  std::byte* next_ = nullptr;
  std::size_t left_ = 0;
};

}  // namespace img::model
