// SPDX-License-Identifier: MIT
// A complete image whose bytes come to lie elsewhere: another pack, or one that its parent used.
// What it says stays the same, and so do its id and number. Part of one transaction; every commit
// leaves an image that can be read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/store/envelope.h"
#include "libimg/store/header_draft.h"
#include "libimg/store/key.h"
#include "libimg/store/txn.h"

namespace img::store {

class ImageEdit {
 public:
  /// Fault::missing if it has gone, or is not complete.
  [[nodiscard]] static Result<ImageEdit> begin(WriteTxn& txn, const Id& image);

  [[nodiscard]] const std::vector<Id>& packs() const { return draft_.packs; }
  /// The index of a pack that the store knows; it is added where the image did not have it.
  [[nodiscard]] Result<std::uint32_t> index_of(const Id& pack);
  /// No record refers to this pack any more.
  void leave_pack(const Id& pack);
  /// Bytes that records refer to from now on, or no more.
  void use(const Id& pack, std::int64_t bytes) { use_[pack] += bytes; }
  /// So many records more, or fewer, than before (extents do not count).
  void count_records(std::int64_t more) { draft_.records += static_cast<std::uint64_t>(more); }
  void set_parent(std::optional<Id> parent) { draft_.parent = parent; }
  /// It is no more what came in: no level of a chain, and nothing that a digest could find again.
  void forget_origin();

  /// `value` must not point into the transaction.
  [[nodiscard]] Result<void> put_record(const RecordPlace& place, const Envelope& value);
  [[nodiscard]] Result<void> remove_record(const RecordPlace& place);

  /// Writes header and uses; the commit is the caller's.
  [[nodiscard]] Result<void> finish();

 private:
  explicit ImageEdit(WriteTxn& txn) : txn_(&txn) {}
  WriteTxn* txn_;
  HeaderDraft draft_;
  std::map<Id, std::int64_t> use_;
  std::vector<Id> left_;           // packs that are referred to no more
  std::vector<std::byte> header_;  // what draft_ points into
  std::vector<std::byte> origin_;
};

}  // namespace img::store
