// SPDX-License-Identifier: MIT
#include "libimg/store/id.h"

#include <fmt/core.h>

#include "libimg/base/file.h"

namespace img::store {

Id Id::random() {
  return {random_bits(), random_bits()};
}

std::string Id::hex() const {
  return fmt::format("{:016x}{:016x}", hi, lo);
}

}  // namespace img::store
