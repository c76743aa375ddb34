// SPDX-License-Identifier: MIT
// What the database knows of packs: each once, and how much of it every image needs. A pack without
// a user has no entry; its files are then strays.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/store/catalogue.h"
#include "libimg/store/pack_writer.h"
#include "libimg/store/txn.h"

namespace img::store {

struct UsedPack {
  Id id;
  std::uint64_t bytes = 0;
  Id hashes_digest;
  /// By commit number; those that are being removed too, but not those that are being written and
  /// may come to use it.
  std::vector<PackUse> users;
};

/// Every pack that has an entry, by id.
[[nodiscard]] Result<std::vector<UsedPack>> packs_with_users(const Txn& txn);
/// Nothing where it has no entry.
[[nodiscard]] Result<std::optional<UsedPack>> find_pack(const Txn& txn, const Id& id);

[[nodiscard]] Result<void> put_pack(WriteTxn& txn, const Id& id, const PackWriter::Sealed& sealed);
/// Takes the entries of those away that no image uses, or may come to use while it is written.
[[nodiscard]] Result<void> forget_unused_packs(WriteTxn& txn, std::span<const Id> packs);

}  // namespace img::store
