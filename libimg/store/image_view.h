// SPDX-License-Identifier: MIT
// One complete image, read. What it returns lives as long as it does; threads may share it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"
#include "libimg/store/catalogue.h"
#include "libimg/store/envelope.h"
#include "libimg/store/pack_reader.h"
#include "libimg/store/store.h"

namespace img::store {

/// A record whose checksum, sizes and FlatBuffer have been checked.
struct StoredRecord {
  RecordPlace place;
  Envelope value;
};

class ImageView {
 public:
  /// `row` is of `now`, which the view keeps.
  ImageView(std::shared_ptr<const Store> store, Snapshot now, const ImageRow& row);

  [[nodiscard]] const schema::ImageHeader& header() const { return *row_.header; }
  [[nodiscard]] const ImageRow& row() const { return row_; }
  [[nodiscard]] const Snapshot& snapshot() const { return now_; }
  [[nodiscard]] const std::shared_ptr<const Store>& store() const { return store_; }
  /// "web.store::redis"
  [[nodiscard]] const std::string& place() const { return place_; }

  /// Nothing if the image has no such record.
  [[nodiscard]] Result<std::optional<StoredRecord>> record(const RecordPlace& place) const;
  /// The records from `first` on, in order, as long as `visit` returns true.
  template <class Visit>  // Result<bool>(const StoredRecord&)
  [[nodiscard]] Result<void> walk(const RecordPlace& first, Visit visit) const;
  /// The place of the first record that is not before `place`, unread.
  [[nodiscard]] Result<std::optional<RecordPlace>> place_from(const RecordPlace& place) const;

  /// Whether the files of all its packs are there.
  [[nodiscard]] bool has_all_packs() const;
  /// Bytes of the pack with this index in ImageHeader.packs.
  [[nodiscard]] Result<Bytes> pack_bytes(std::uint64_t pack, std::uint64_t offset,
                                         std::uint64_t length) const;

 private:
  [[nodiscard]] Result<std::optional<RecordPlace>> place_of(
      const std::optional<Entry>& entry) const;
  [[nodiscard]] Result<StoredRecord> checked(const Entry& entry) const;
  [[nodiscard]] Result<const PackReader*> pack(std::uint64_t index) const;

  std::shared_ptr<const Store> store_;
  Snapshot now_;
  ImageRow row_;
  std::string place_;
  // Mapped when first asked for: an image can refer to many, and one record needs none.
  mutable std::mutex packs_mutex_;
  mutable std::vector<std::shared_ptr<const PackReader>> packs_;
};

template <class Visit>
Result<void> ImageView::walk(const RecordPlace& first, Visit visit) const {
  IMG_ASSIGN(Cursor cursor, now_->cursor());
  IMG_ASSIGN(auto entry, cursor.seek(Key::record(row_.commit, first)));
  while (entry && key_word(entry->key, 0) == row_.commit) {
    IMG_ASSIGN(const StoredRecord found, checked(*entry));
    IMG_ASSIGN(const bool more, visit(found));
    if (!more) {
      break;
    }
    IMG_ASSIGN(entry, cursor.next());
  }
  return {};
}

}  // namespace img::store
