// SPDX-License-Identifier: MIT
// Files of packs that no commit knows, and their end. A pack loses its entry when its last user
// goes; its file stays until nobody reads a state of the store in which the entry was there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/store/store.h"

namespace img::store {

struct Sweep {
  struct Pack {
    Id id;
    std::uint64_t bytes = 0;  // of its files
  };
  std::vector<Pack> gone;  // removed, or to be removed
  std::vector<Pack> kept;  // a reader is older than their removal: next time
};

/// What sweep_packs would find now.
[[nodiscard]] Result<Sweep> find_strays(const Store& store);
/// Removes them. The caller may hold no snapshot: it would be the old reader itself.
[[nodiscard]] Result<Sweep> sweep_packs(const Store& store);

}  // namespace img::store
