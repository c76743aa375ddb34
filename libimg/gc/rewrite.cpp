// SPDX-License-Identifier: MIT
#include "libimg/gc/rewrite.h"

#include <algorithm>
#include <vector>

#include "libimg/base/file.h"
#include "libimg/store/image_edit.h"
#include "libimg/store/image_view.h"
#include "libimg/store/pack_file.h"
#include "libimg/store/pack_reader.h"
#include "libimg/store/pack_table.h"
#include "libimg/store/pack_writer.h"
#include "schema/pack_generated.h"

namespace img::gc {
namespace {

using schema::Kind;
using store::Id;
using store::ImageRow;
using store::RecordPlace;
using store::StoredRecord;

constexpr std::size_t kBatchBytes = 4 << 20;
constexpr std::uint64_t kCopyBytes = 1 << 20;

bool is_extents(const RecordPlace& place) {
  return place.kind == Kind::extents || place.kind == Kind::extents_shmem;
}

const flatbuffers::Vector<const schema::Extent*>& extents_of(const StoredRecord& record) {
  return *flatbuffers::GetRoot<schema::ExtentChunk>(record.value.flatbuffer.data())->extents();
}

/// The part of a pack that is alive, in whole blocks, and where it will be.
class Alive {
 public:
  /// Larger blocks where images have larger pages.
  void align(std::uint64_t bytes) { block_ = std::max(block_, bytes); }
  void add(std::uint64_t offset, std::uint64_t bytes) {
    if (bytes != 0) {
      parts_.push_back({offset / block_ * block_, round_up(offset + bytes, block_), 0});
    }
  }
  /// After the last add().
  void arrange(std::uint64_t pack_bytes) {
    std::ranges::sort(parts_, {}, &Part::begin);
    std::vector<Part> joined;
    for (Part part : parts_) {
      part.end = std::min(part.end, pack_bytes);
      if (!joined.empty() && part.begin <= joined.back().end) {
        joined.back().end = std::max(joined.back().end, part.end);
      } else {
        joined.push_back(part);
      }
    }
    parts_ = std::move(joined);
    for (Part& part : parts_) {
      part.to = bytes_;
      bytes_ += round_up(part.end - part.begin, block_);
    }
  }

  struct Part {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t to = 0;
  };
  [[nodiscard]] const std::vector<Part>& parts() const { return parts_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t block() const { return block_; }
  /// `offset` is in a part.
  [[nodiscard]] std::uint64_t moved(std::uint64_t offset) const {
    const auto part = std::prev(std::ranges::upper_bound(parts_, offset, {}, &Part::begin));
    return part->to + (offset - part->begin);
  }

 private:
  std::uint64_t block_ = store::kBlockBytes;
  std::uint64_t bytes_ = 0;
  std::vector<Part> parts_;
};

/// An image that uses the pack, and its records that do.
struct User {
  Id id;
  std::unique_ptr<store::ImageView> view;
  std::vector<RecordPlace> places;
};

class Rewrite {
 public:
  Rewrite(const std::shared_ptr<const store::Store>& store, const Id& pack)
      : store_(store), old_(pack) {}

  [[nodiscard]] Result<std::optional<std::uint64_t>> run();

 private:
  [[nodiscard]] Result<bool> find_users();
  [[nodiscard]] Result<void> find_places(User& user);
  [[nodiscard]] Result<bool> copy();
  [[nodiscard]] Result<bool> copy_part(const Alive::Part& part, const store::PackReader& from,
                                       const store::PackHashes& hashes);
  [[nodiscard]] Result<void> introduce();
  [[nodiscard]] Result<void> turn(const User& user);
  [[nodiscard]] Result<void> turn_record(store::ImageEdit& edit, const User& user,
                                         const RecordPlace& place, std::size_t& written);
  [[nodiscard]] bool is_old(const User& user, std::uint64_t index) const {
    const auto* packs = user.view->header().packs();
    return packs != nullptr && index < packs->size() &&
           Id::of(*packs->Get(static_cast<flatbuffers::uoffset_t>(index))) == old_;
  }

  const std::shared_ptr<const store::Store>& store_;
  Id old_;
  store::UsedPack row_;
  store::Snapshot now_;
  std::vector<User> users_;
  Alive alive_;
  std::unique_ptr<store::PackWriter> new_;  // its lease says that it is no leftover
  store::PackWriter::Sealed sealed_;
};

Result<bool> Rewrite::find_users() {
  IMG_ASSIGN(now_, store_->snapshot());
  IMG_ASSIGN(auto found, store::find_pack(*now_, old_));
  if (!found) {
    return false;
  }
  row_ = std::move(*found);
  for (const store::PackUse& use : row_.users) {
    IMG_ASSIGN(const auto row, store::image_of_commit(*now_, use.commit));
    if (!row) {
      return false;  // one that is being written: its records may still come to refer to it
    }
    users_.push_back({row->id, std::make_unique<store::ImageView>(store_, now_, *row), {}});
    alive_.align(row->header->page_size());
  }
  for (User& user : users_) {
    IMG_TRY(find_places(user));
  }
  alive_.arrange(row_.bytes);
  return true;
}

Result<void> Rewrite::find_places(User& user) {
  return user.view->walk({}, [&](const StoredRecord& record) -> Result<bool> {
    bool refers = false;
    if (is_extents(record.place)) {
      for (const schema::Extent* extent : extents_of(record)) {
        if (is_old(user, extent->pack())) {
          IMG_TRY(user.view->pack_bytes(extent->pack(), extent->offset(), extent->stored()));
          alive_.add(extent->offset(), extent->stored());
          refers = true;
        }
      }
    } else if (record.value.run && is_old(user, record.value.run->pack)) {
      const store::PackRun& run = *record.value.run;
      IMG_TRY(user.view->pack_bytes(run.pack, run.offset, run.length));  // that it is inside
      alive_.add(run.offset, run.length);
      refers = true;
    }
    if (refers) {
      user.places.push_back(record.place);
    }
    return true;
  });
}

Result<bool> Rewrite::copy_part(const Alive::Part& part, const store::PackReader& from,
                                const store::PackHashes& hashes) {
  IMG_ASSIGN(
      const std::uint64_t to,
      new_->reserve_blocks(round_up(part.end - part.begin, store::kBlockBytes), alive_.block()));
  if (to != part.to) {
    return fail(Fault::io, store_->place(), "write a pack anew",
                "a block is not where it should be");
  }
  for (std::uint64_t at = part.begin; at < part.end; at += kCopyBytes) {
    IMG_ASSIGN(const Bytes blocks, from.bytes(at, std::min(kCopyBytes, part.end - at)));
    if (hashes.first_difference(at / store::kBlockBytes, blocks)) {
      return false;
    }
    IMG_TRY(new_->write_blocks(to + (at - part.begin), blocks));
  }
  return true;
}

Result<bool> Rewrite::copy() {
  if (alive_.parts().empty()) {
    return true;
  }
  IMG_ASSIGN(const store::PackReader from,
             store::PackReader::open(store_->packs(), old_, row_.bytes, store_->place()));
  const auto hashes = store::PackHashes::open(store_->packs(), old_, row_.bytes, row_.hashes_digest,
                                              store_->place());
  if (!hashes) {
    return hashes.error().fault == Fault::corrupt ? Result<bool>(false) : fail(hashes.error());
  }
  IMG_ASSIGN(new_, store::PackWriter::create(store_->packs(), store_->place()));
  for (const Alive::Part& part : alive_.parts()) {
    IMG_ASSIGN(const bool whole, copy_part(part, from, *hashes));
    if (!whole) {
      return false;
    }
  }
  IMG_ASSIGN(sealed_, new_->seal());
  IMG_TRY(new_->sync());
  return true;
}

// From this commit on the new pack is one of theirs, though no record refers to it yet.
Result<void> Rewrite::introduce() {
  IMG_ASSIGN(const auto txn, store_->write());
  IMG_TRY(store::put_pack(*txn, new_->id(), sealed_));
  for (const User& user : users_) {
    auto edit = store::ImageEdit::begin(*txn, user.id);
    if (!edit) {
      continue;  // deleted meanwhile
    }
    IMG_TRY(edit->index_of(new_->id()));
    IMG_TRY(edit->finish());
  }
  const Id id = new_->id();
  IMG_TRY(store::forget_unused_packs(*txn, std::span(&id, 1)));
  IMG_TRY(txn->commit());
  new_->keep();
  return {};
}

Result<void> Rewrite::turn_record(store::ImageEdit& edit, const User& user,
                                  const RecordPlace& place, std::size_t& written) {
  IMG_ASSIGN(const auto record, user.view->record(place));
  if (!record) {
    return fail(Fault::corrupt, user.view->place(), "a record has gone");
  }
  IMG_ASSIGN(const std::uint32_t index, edit.index_of(new_->id()));
  store::Envelope value = record->value;
  flatbuffers::FlatBufferBuilder builder;
  std::uint64_t moved = 0;
  if (is_extents(place)) {
    std::vector<schema::Extent> extents;
    for (const schema::Extent* extent : extents_of(*record)) {
      if (!is_old(user, extent->pack())) {
        extents.push_back(*extent);
        continue;
      }
      moved += extent->stored();
      extents.emplace_back(extent->first_page(), extent->pages(), index, extent->encoding(),
                           extent->stored() == 0 ? 0 : alive_.moved(extent->offset()),
                           extent->stored());
    }
    builder.Finish(schema::CreateExtentChunk(builder, builder.CreateVectorOfStructs(extents)));
    value.flatbuffer = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
  } else {
    moved = value.run->length;
    value.run = store::PackRun{index, alive_.moved(value.run->offset), value.run->length};
  }
  edit.use(old_, -static_cast<std::int64_t>(moved));
  edit.use(new_->id(), static_cast<std::int64_t>(moved));
  written += value.flatbuffer.size() + (value.original ? value.original->size() : 0);
  return edit.put_record(place, value);
}

Result<void> Rewrite::turn(const User& user) {
  for (std::size_t at = 0;;) {
    IMG_ASSIGN(const auto txn, store_->write());
    auto edit = store::ImageEdit::begin(*txn, user.id);
    if (!edit) {
      return edit.error().fault == Fault::missing ? Result<void>() : fail(edit.error());
    }
    for (std::size_t written = 0; at < user.places.size() && written < kBatchBytes; ++at) {
      IMG_TRY(turn_record(*edit, user, user.places[at], written));
    }
    const bool is_last = at == user.places.size();
    if (is_last) {
      edit->leave_pack(old_);
    }
    IMG_TRY(edit->finish());
    IMG_TRY(txn->commit());
    if (is_last) {
      return {};
    }
  }
}

Result<std::optional<std::uint64_t>> Rewrite::run() {
  IMG_ASSIGN(const bool can, find_users());
  if (!can || alive_.bytes() > row_.bytes * 95 / 100) {
    return std::optional<std::uint64_t>();
  }
  IMG_ASSIGN(const bool copied, copy());
  if (!copied) {
    return std::optional<std::uint64_t>();
  }
  if (new_ != nullptr) {
    IMG_TRY(introduce());
  }
  for (const User& user : users_) {
    IMG_TRY(turn(user));
  }
  return std::optional(sealed_.bytes);
}

}  // namespace

Result<std::optional<std::uint64_t>> rewrite_pack(const std::shared_ptr<const store::Store>& store,
                                                  const Id& pack) {
  Rewrite rewrite(store, pack);
  return rewrite.run();
}

}  // namespace img::gc
