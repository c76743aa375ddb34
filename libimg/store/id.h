// SPDX-License-Identifier: MIT
// 128 random bits: what an image or a pack is called for ever, in every store it travels to.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "schema/image_generated.h"

namespace img::store {

struct Id {
  std::uint64_t hi = 0;
  std::uint64_t lo = 0;

  [[nodiscard]] static Id random();
  [[nodiscard]] static Id of(const schema::Id128& id) { return {id.hi(), id.lo()}; }
  [[nodiscard]] schema::Id128 to_schema() const { return {hi, lo}; }
  /// 32 hexadecimal digits.
  [[nodiscard]] std::string hex() const;
  [[nodiscard]] bool is_zero() const { return hi == 0 && lo == 0; }

  friend auto operator<=>(const Id&, const Id&) = default;
};

}  // namespace img::store
