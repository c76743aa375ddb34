// SPDX-License-Identifier: MIT
#include "libimg/store/changes.h"

#include <algorithm>
#include <vector>

#include "libimg/base/image_name.h"
#include "libimg/base/text.h"
#include "libimg/store/header_draft.h"
#include "libimg/store/pack_table.h"
#include "libimg/store/value.h"

namespace img::store {
namespace {

constexpr std::size_t kPurgeAtOnce = 8192;

// Up to `most` keys of an image's records.
Result<std::vector<RecordPlace>> some_records(const Txn& txn, std::uint64_t commit,
                                              std::size_t most) {
  std::vector<RecordPlace> places;
  IMG_ASSIGN(Cursor cursor, txn.cursor());
  IMG_ASSIGN(auto entry, cursor.seek(Key::record(commit, {})));
  while (entry && entry->key.size() == kRecordKeyBytes && key_word(entry->key, 0) == commit &&
         places.size() < most) {
    places.push_back(place_in_key(entry->key));
    IMG_ASSIGN(entry, cursor.next());
  }
  return places;
}

// The pending entry goes last, with what it says about packs.
Result<void> forget_pending(WriteTxn& txn, std::uint64_t commit, std::vector<Id>& left) {
  IMG_ASSIGN(const auto* header,
             get_table<schema::ImageHeader>(txn, Key::pending(commit), "ImageHeader"));
  std::vector<Id> packs;
  if (header != nullptr) {
    packs = HeaderDraft::of(*header).packs;
  }
  IMG_TRY(txn.remove(Key::pending(commit)));
  for (const Id& pack : packs) {
    IMG_TRY(txn.remove(Key::usage(pack, commit)));
  }
  left.insert(left.end(), packs.begin(), packs.end());
  return {};
}

// As much of an image as `room` records allow; true: all of it.
Result<bool> purge_part(WriteTxn& txn, std::uint64_t commit, std::size_t& room,
                        std::vector<Id>& left) {
  IMG_ASSIGN(const auto is_pending, txn.get(Key::pending(commit)));
  if (!is_pending) {
    return true;  // its writer came to its end after all, or another collector was here
  }
  IMG_ASSIGN(const auto places, some_records(txn, commit, room));
  for (const RecordPlace& place : places) {
    IMG_TRY(txn.remove(Key::record(commit, place)));
  }
  const bool all = places.size() < room;
  room -= places.size();
  if (all) {
    IMG_TRY(forget_pending(txn, commit, left));
    room -= std::min<std::size_t>(room, 8);  // what was removed besides records
  }
  return all;
}

}  // namespace

Result<void> put_name(WriteTxn& txn, std::string_view name, const Id& image, std::uint64_t commit,
                      bool pinned) {
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  const schema::Id128 id = image.to_schema();
  builder.Finish(schema::CreateName(builder, &id, commit, pinned));
  return put_table(txn, Key::name(name),
                   std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize())),
                   WriteTxn::Put::replace);
}

Result<void> hide_image(WriteTxn& txn, const ImageRow& row) {
  flatbuffers::FlatBufferBuilder builder;
  const HeaderDraft draft = HeaderDraft::of(*row.header);
  const std::uint64_t commit = row.commit;
  const Bytes header = draft.write(builder);
  IMG_TRY(put_table(txn, Key::pending(commit), header, WriteTxn::Put::add));
  IMG_TRY(txn.remove(Key::commit(commit)));
  IMG_TRY(txn.remove(Key::image(draft.id)));
  return {};
}

Result<void> rename_image(const Store& store, std::string_view from, std::string_view to) {
  IMG_TRY(check_image_name(to));
  IMG_ASSIGN(const auto txn, store.write());
  IMG_ASSIGN(const ImageRow row, find_image(*txn, from));
  IMG_ASSIGN(const bool taken, has_image(*txn, to));
  if (taken) {
    return fail(Fault::conflict, store.place(), "rename to " + std::string(to),
                "the name is taken");
  }
  flatbuffers::FlatBufferBuilder builder;
  HeaderDraft draft = HeaderDraft::of(*row.header);
  const bool pinned = row.pinned;
  draft.name = to;
  const Bytes header = draft.write(builder);
  IMG_TRY(put_table(*txn, Key::commit(draft.commit), header, WriteTxn::Put::replace));
  IMG_TRY(txn->remove(Key::name(from)));
  IMG_TRY(put_name(*txn, to, draft.id, draft.commit, pinned));
  return txn->commit();
}

Result<void> pin_image(const Store& store, std::string_view name, bool pinned) {
  IMG_ASSIGN(const auto txn, store.write());
  IMG_ASSIGN(const ImageRow row, find_image(*txn, name));
  IMG_TRY(put_name(*txn, name, row.id, row.commit, pinned));
  return txn->commit();
}

Result<void> delete_image(const Store& store, std::string_view name) {
  std::uint64_t commit = 0;
  {
    IMG_ASSIGN(const auto txn, store.write());
    IMG_ASSIGN(const ImageRow row, find_image(*txn, name));
    commit = row.commit;
    if (row.pinned) {
      return fail(Fault::conflict, store.place(), "delete " + std::string(name), "it is pinned",
                  "--unpin it first");
    }
    IMG_ASSIGN(const auto child, child_of(store, *txn, row.id));
    if (child) {
      return fail(Fault::conflict, store.place(), "delete " + std::string(name),
                  "it is the parent of " + *child);
    }
    IMG_TRY(hide_image(*txn, row));
    IMG_TRY(txn->remove(Key::name(name)));
    IMG_TRY(txn->commit());
  }
  return purge_pending(store, commit);
}

Result<void> purge_pending(const Store& store, std::span<const std::uint64_t> commits) {
  while (!commits.empty()) {
    IMG_ASSIGN(const auto txn, store.write());
    std::size_t room = kPurgeAtOnce;
    std::vector<Id> left;  // packs that have one user less
    while (room > 0 && !commits.empty()) {
      IMG_ASSIGN(const bool all, purge_part(*txn, commits.front(), room, left));
      if (all) {
        commits = commits.subspan(1);
      }
    }
    IMG_TRY(forget_unused_packs(*txn, left));
    IMG_TRY(txn->commit());
  }
  return {};
}

Result<void> purge_pending(const Store& store, std::uint64_t commit) {
  return purge_pending(store, std::span(&commit, 1));
}

}  // namespace img::store
