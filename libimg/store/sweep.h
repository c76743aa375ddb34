// SPDX-License-Identifier: MIT
// Files of packs that no commit knows, and their end. A pack loses its entry when its last user
// goes; its file stays until nobody reads a state of the store in which the entry was there.
#pragma once

#include <cstdint>
#include <span>
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

/// All that the folder holds: what sweep_packs would find now. The caller may hold no snapshot: it
/// would be the old reader itself.
[[nodiscard]] Result<Sweep> find_strays(const Store& store);
/// Removes those of `candidates` that are strays; the folder is not read again. No snapshot either.
[[nodiscard]] Result<Sweep> sweep_packs(const Store& store, std::span<const Id> candidates);
/// Files in packs/ that `txn` does not know and no writer holds: what a crash left.
[[nodiscard]] Result<std::vector<std::string>> stray_files(const Store& store, const Txn& txn);

}  // namespace img::store
