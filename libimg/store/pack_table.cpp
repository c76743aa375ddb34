// SPDX-License-Identifier: MIT
#include "libimg/store/pack_table.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "libimg/store/value.h"
#include "schema/pack_generated.h"

namespace img::store {
namespace {

UsedPack used_pack(const Id& id, const schema::Pack& pack) {
  const schema::Id128* digest = pack.hashes_digest();
  return {id, pack.bytes(), digest == nullptr ? Id() : Id::of(*digest), {}};
}

// All packs that pending images list. A writer that shares lists every one it may refer to.
Result<std::set<Id>> packs_of_pending(const Txn& txn) {
  std::set<Id> packs;
  IMG_ASSIGN(Cursor cursor, txn.cursor());
  IMG_ASSIGN(auto entry, cursor.seek(Key::pending(0)));
  while (entry && is_own_key(entry->key, Space::pending, 2)) {
    IMG_ASSIGN(const auto* header, entry_table<schema::ImageHeader>(txn, *entry, "ImageHeader"));
    const auto* listed = header->packs();
    for (flatbuffers::uoffset_t at = 0; listed != nullptr && at < listed->size(); ++at) {
      packs.insert(Id::of(*listed->Get(at)));
    }
    IMG_ASSIGN(entry, cursor.next());
  }
  return packs;
}

Result<bool> has_users(const Txn& txn, const Id& pack) {
  IMG_ASSIGN(Cursor cursor, txn.cursor());
  IMG_ASSIGN(const auto entry, cursor.seek(Key::usage(pack, 0)));
  return entry && is_own_key(entry->key, Space::usage, 3) && id_in_key(entry->key) == pack;
}

}  // namespace

Result<std::vector<UsedPack>> packs_with_users(const Txn& txn) {
  std::vector<UsedPack> packs;
  IMG_ASSIGN(Cursor cursor, txn.cursor());
  IMG_ASSIGN(auto entry, cursor.seek(Key::pack({})));
  while (entry && is_own_key(entry->key, Space::pack, 2)) {
    IMG_ASSIGN(const auto* pack, entry_table<schema::Pack>(txn, *entry, "Pack"));
    packs.push_back(used_pack(id_in_key(entry->key), *pack));
    IMG_ASSIGN(entry, cursor.next());
  }
  // Both spaces are in the order of the ids.
  auto pack = packs.begin();
  IMG_ASSIGN(entry, cursor.seek(Key::usage({}, 0)));
  while (entry && is_own_key(entry->key, Space::usage, 3)) {
    const Id id = id_in_key(entry->key);
    pack = std::find_if(pack, packs.end(), [&](const UsedPack& known) { return known.id >= id; });
    if (pack != packs.end() && pack->id == id) {
      IMG_ASSIGN(const std::uint64_t bytes, entry_number(txn, *entry, "pack usage"));
      pack->users.push_back({key_word(entry->key, 4), bytes});
    }
    IMG_ASSIGN(entry, cursor.next());
  }
  return packs;
}

Result<std::optional<UsedPack>> find_pack(const Txn& txn, const Id& id) {
  IMG_ASSIGN(const auto* pack, get_table<schema::Pack>(txn, Key::pack(id), "Pack"));
  if (pack == nullptr) {
    return std::optional<UsedPack>();
  }
  UsedPack found = used_pack(id, *pack);
  IMG_ASSIGN(found.users, users_of_pack(txn, id));
  return std::optional(std::move(found));
}

Result<void> put_pack(WriteTxn& txn, const Id& id, const PackWriter::Sealed& sealed) {
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto sealed_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count());
  const schema::Id128 digest = sealed.hashes_digest.to_schema();
  builder.Finish(schema::CreatePack(builder, sealed.bytes, sealed_ns, &digest));
  return put_table(txn, Key::pack(id),
                   std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize())),
                   WriteTxn::Put::add);
}

Result<void> forget_unused_packs(WriteTxn& txn, std::span<const Id> packs) {
  std::optional<std::set<Id>> wanted;
  for (const Id& pack : packs) {
    IMG_ASSIGN(const bool is_used, has_users(txn, pack));
    if (is_used) {
      continue;
    }
    if (!wanted) {
      IMG_ASSIGN(wanted, packs_of_pending(txn));
    }
    if (!wanted->contains(pack)) {
      IMG_TRY(txn.remove(Key::pack(pack)));
    }
  }
  return {};
}

}  // namespace img::store
