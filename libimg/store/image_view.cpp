// SPDX-License-Identifier: MIT
#include "libimg/store/image_view.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>

#include "libimg/store/pack_file.h"
#include "libimg/store/record_table.h"
#include "libimg/store/value.h"
#include "schema/pack_generated.h"

namespace img::store {

ImageView::ImageView(std::shared_ptr<const Store> store, Snapshot now, const ImageRow& row)
    : store_(std::move(store)),
      now_(std::move(now)),
      row_(row),
      place_(store_->place() + "::" + std::string(row.name())) {
  packs_.resize(row.header->packs() == nullptr ? 0 : row.header->packs()->size());
}

Result<StoredRecord> ImageView::checked(const Entry& entry) const {
  const RecordPlace place = place_in_key(entry.key);
  const auto bad = [&](std::string_view why, Fault fault = Fault::corrupt) {
    return fail(
        fault, place_,
        fmt::format("record {}/{}/{}", static_cast<unsigned>(place.kind), place.id, place.seq),
        std::string(why));
  };
  if (entry.key.size() != kRecordKeyBytes) {
    return bad("its key has a strange length");
  }
  auto value = decode_envelope(entry.key, entry.value);
  if (!value) {
    return bad(value.error().what, value.error().fault);
  }
  if (value->kind != static_cast<std::uint16_t>(place.kind)) {
    return bad("is of another kind than its key says");
  }
  if (!value->flatbuffer.empty() && !is_record_table(value->flatbuffer, place)) {
    return bad("its bytes are not a table of its kind");
  }
  if (value->flatbuffer.empty() && !record_table(place).empty()) {
    return bad("has no table");
  }
  return StoredRecord{place, *value};
}

Result<std::optional<RecordPlace>> ImageView::place_of(const std::optional<Entry>& entry) const {
  if (!entry || key_word(entry->key, 0) != row_.commit) {
    return std::optional<RecordPlace>();
  }
  if (entry->key.size() != kRecordKeyBytes) {
    return fail(Fault::corrupt, place_, "a record's key has a strange length");
  }
  return std::optional(place_in_key(entry->key));
}

Result<std::optional<StoredRecord>> ImageView::record(const RecordPlace& place) const {
  const Key key = Key::record(row_.commit, place);
  IMG_ASSIGN(const auto bytes, now_->get(key));
  if (!bytes) {
    return std::optional<StoredRecord>();
  }
  IMG_ASSIGN(StoredRecord found, checked({key.bytes(), *bytes}));
  return std::optional(found);
}

Result<std::optional<RecordPlace>> ImageView::place_from(const RecordPlace& place) const {
  IMG_ASSIGN(Cursor cursor, now_->cursor());
  IMG_ASSIGN(const auto entry, cursor.seek(Key::record(row_.commit, place)));
  return place_of(entry);
}

bool ImageView::has_all_packs() const {
  if (packs_.empty()) {
    return true;
  }
  const auto& ids = *row_.header->packs();
  return std::all_of(ids.begin(), ids.end(), [&](const schema::Id128* id) {
    return ::faccessat(store_->packs(), pack_file_name(Id::of(*id)).c_str(), F_OK, 0) == 0;
  });
}

Result<Bytes> ImageView::pack_bytes(std::uint64_t index, std::uint64_t offset,
                                    std::uint64_t length) const {
  if (length == 0) {
    return Bytes();
  }
  IMG_ASSIGN(const PackReader* reader, pack(index));
  return reader->bytes(offset, length);
}

Result<const PackReader*> ImageView::pack(std::uint64_t index) const {
  if (index >= packs_.size()) {
    return fail(Fault::corrupt, place_, "a record refers to a pack that its image does not list");
  }
  const std::lock_guard lock(packs_mutex_);
  std::shared_ptr<const PackReader>& reader = packs_[index];
  if (reader == nullptr) {
    const Id id = Id::of(*row_.header->packs()->Get(static_cast<flatbuffers::uoffset_t>(index)));
    IMG_ASSIGN(const auto* known, get_table<schema::Pack>(*now_, Key::pack(id), "Pack"));
    if (known == nullptr) {
      return fail(Fault::corrupt, place_, "read pack " + id.hex(), "the store does not know it");
    }
    IMG_ASSIGN(reader, store_->pack(id, known->bytes()));
  }
  return reader.get();
}

}  // namespace img::store
