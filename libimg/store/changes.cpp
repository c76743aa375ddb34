// SPDX-License-Identifier: MIT
#include "libimg/store/changes.h"

#include <vector>

#include "libimg/base/image_name.h"
#include "libimg/base/text.h"
#include "libimg/store/header_draft.h"
#include "libimg/store/value.h"

namespace img::store {
namespace {

constexpr std::size_t kPurgeAtOnce = 8192;

// Up to kPurgeAtOnce keys of an image's records.
Result<std::vector<RecordPlace>> some_records(const Txn& txn, std::uint64_t commit) {
  std::vector<RecordPlace> places;
  IMG_ASSIGN(Cursor cursor, txn.cursor());
  IMG_ASSIGN(auto entry, cursor.seek(Key::record(commit, {})));
  while (entry && entry->key.size() == kRecordKeyBytes && key_word(entry->key, 0) == commit &&
         places.size() < kPurgeAtOnce) {
    places.push_back(place_in_key(entry->key));
    IMG_ASSIGN(entry, cursor.next());
  }
  return places;
}

// The pending entry goes last, with what it says about packs.
Result<void> forget_pending(WriteTxn& txn, std::uint64_t commit) {
  IMG_ASSIGN(const auto* header,
             get_table<schema::ImageHeader>(txn, Key::pending(commit), "ImageHeader"));
  std::vector<Id> packs;
  if (header != nullptr) {
    packs = HeaderDraft::of(*header).packs;
  }
  for (const Id& pack : packs) {
    IMG_TRY(txn.remove(Key::usage(pack, commit)));
  }
  IMG_TRY(txn.remove(Key::pending(commit)));
  return {};
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
    IMG_ASSIGN(const auto children, children_of(*txn, row.id));
    if (!children.empty()) {
      return fail(Fault::conflict, store.place(), "delete " + std::string(name),
                  "it is the parent of " + std::string(children.front().name()));
    }
    IMG_TRY(hide_image(*txn, row));
    IMG_TRY(txn->remove(Key::name(name)));
    IMG_TRY(txn->commit());
  }
  return purge_pending(store, commit);
}

Result<void> purge_pending(const Store& store, std::uint64_t commit) {
  for (bool more = true; more;) {
    IMG_ASSIGN(const auto txn, store.write());
    IMG_ASSIGN(const auto complete, txn->get(Key::commit(commit)));
    if (complete) {
      return fail(Fault::conflict, store.place(), "purge", "the image is complete");
    }
    IMG_ASSIGN(const auto places, some_records(*txn, commit));
    for (const RecordPlace& place : places) {
      IMG_TRY(txn->remove(Key::record(commit, place)));
    }
    more = places.size() == kPurgeAtOnce;
    if (!more) {
      IMG_TRY(forget_pending(*txn, commit));
    }
    IMG_TRY(txn->commit());
  }
  return {};
}

}  // namespace img::store
