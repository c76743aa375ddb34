// SPDX-License-Identifier: MIT
// What a Patch puts into memory that calls point to.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "libimg/base/bytes.h"
#include "live/plan/plan.h"

namespace img::restore {

/// Into Data that lies at `data`; a patch that is not inside of it changes nothing.
inline void apply_patch(std::span<std::byte> data, const plan::Patch& patch, std::uint64_t value) {
  if (patch.offset > data.size() || data.size() - patch.offset < patch.bytes) {
    return;
  }
  const auto to = data.subspan(patch.offset, patch.bytes);
  if (!patch.is_decimal) {
    std::memcpy(to.data(), &value, std::min<std::size_t>(to.size(), sizeof value));
    return;
  }
  const std::string digits = std::to_string(value);
  std::fill(to.begin(), to.end(), std::byte{0});
  std::memcpy(to.data(), digits.data(), std::min(digits.size(), to.size()));
}

}  // namespace img::restore
