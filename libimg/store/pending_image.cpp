// SPDX-License-Identifier: MIT
#include "libimg/store/pending_image.h"

#include <algorithm>
#include <chrono>

#include "libimg/base/file.h"
#include "libimg/base/image_name.h"
#include "libimg/store/catalogue.h"
#include "libimg/store/changes.h"
#include "libimg/store/pack_file.h"
#include "libimg/store/pack_table.h"
#include "libimg/store/record_table.h"
#include "libimg/store/value.h"
#include "schema/pack_generated.h"

namespace img::store {
namespace {

// A transaction keeps its pages in the heap until its commit.
constexpr std::size_t kBatchBytes = 4 << 20;
constexpr std::size_t kBatchRecords = 16384;
constexpr std::size_t kAloneBytes = 1 << 20;

std::uint64_t realtime_ns() {
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
}

}  // namespace

Failure PendingImage::name_is_taken() const {
  return fail(Fault::conflict, store_->place() + "::" + draft_.name, "write image",
              "there is an image of that name", "--force replaces it");
}

Result<std::unique_ptr<PendingImage>> PendingImage::begin(std::shared_ptr<const Store> store,
                                                          HeaderDraft draft, NameTaken taken,
                                                          Sharing sharing) {
  IMG_TRY(check_image_name(draft.name));
  IMG_TRY(check_image_name(draft.series));
  if (draft.id.is_zero()) {
    draft.id = Id::random();
  }
  std::unique_ptr<PendingImage> image(
      new PendingImage(std::move(store), std::move(draft), taken, std::move(sharing)));
  {
    IMG_ASSIGN(const Snapshot now, image->store_->snapshot());
    IMG_ASSIGN(const bool is_taken, has_image(*now, image->draft_.name));
    if (is_taken && taken == NameTaken::refuse) {
      return image->name_is_taken();
    }
  }
  if (!image->store_->is_writable()) {
    return fail(Fault::denied, image->store_->place(), "write", "the store can only be read");
  }
  IMG_ASSIGN(image->pack_, PackWriter::create(image->store_->packs(), image->store_->place()));
  image->draft_.packs.insert(image->draft_.packs.begin(), image->pack_->id());
  if (image->draft_.parent || image->sharing_.is_any()) {
    IMG_TRY(image->write_pending());  // so that gc knows what is needed
  }
  return image;
}

PendingImage::~PendingImage() {
  if (!committed_ && sharing_.known != nullptr && is_pending_) {
    sharing_.known->end_image(0);
  }
  if (!committed_ && is_pending_) {
    // What this cannot remove, img-gc will: the lease ends with us.
    static_cast<void>(purge_pending(*store_, draft_.commit));
  }
}

Result<std::uint64_t> PendingImage::append(std::span<const Bytes> parts, std::uint64_t alignment) {
  auto offset = append_parts(parts, alignment);
  if (!offset) {
    broken_ = true;
  }
  return offset;
}

Result<void> PendingImage::put(const RecordPlace& place, const Envelope& record,
                               std::span<const Bytes> payload) {
  auto done = put_record(place, record, payload);
  if (!done) {
    broken_ = true;
  }
  return done;
}

Result<std::uint64_t> PendingImage::append_parts(std::span<const Bytes> parts,
                                                 std::uint64_t alignment) {
  std::uint64_t size = 0;
  bool is_whole = alignment % kBlockBytes == 0;
  for (const Bytes part : parts) {
    size += part.size();
    is_whole = is_whole && part.size() % kBlockBytes == 0;
  }
  if (is_whole) {
    return append_blocks(parts, size, alignment);
  }
  const std::lock_guard lock(mutex_);
  draft_.pack_bytes += size;
  own_bytes_ += size;
  const std::uint64_t offset = pack_->next_offset(alignment);
  for (const Bytes part : parts) {
    IMG_TRY(pack_->append(part, alignment));
    alignment = 1;
  }
  return offset;
}

Result<std::uint64_t> PendingImage::reserve(std::uint64_t bytes, std::uint64_t alignment) {
  const std::lock_guard lock(mutex_);
  draft_.pack_bytes += bytes;
  own_bytes_ += bytes;
  auto offset = pack_->reserve_blocks(bytes, alignment);
  broken_ = broken_ || !offset;
  return offset;
}

Result<void> PendingImage::write(std::uint64_t offset, Bytes blocks) {
  auto done = pack_->write_blocks(offset, blocks);
  if (!done) {
    broken_ = true;
  }
  return done;
}

// Only the place is given out under the lock: hashing and copying is what takes the time.
Result<std::uint64_t> PendingImage::append_blocks(std::span<const Bytes> parts, std::uint64_t size,
                                                  std::uint64_t alignment) {
  IMG_ASSIGN(const std::uint64_t offset, reserve(size, alignment));
  std::uint64_t at = offset;
  for (const Bytes part : parts) {
    IMG_TRY(pack_->write_blocks(at, part));
    at += part.size();
  }
  return offset;
}

Result<void> PendingImage::put_record(const RecordPlace& place, const Envelope& record,
                                      std::span<const Bytes> payload) {
  if (record.flatbuffer.size() + (record.original ? record.original->size() : 0) >
      kMaxRecordBytes) {
    return fail(Fault::limit, store_->place() + "::" + draft_.name, "write record",
                "is larger than 64 MiB");
  }
  Envelope value = record;
  value.kind = static_cast<std::uint16_t>(place.kind);
  std::uint64_t payload_size = 0;
  for (const Bytes part : payload) {
    payload_size += part.size();
  }
  const auto there = payload_size > kMaxInlinePayload && payload.size() == 1
                         ? find_in_place(payload.front(), 1)
                         : std::nullopt;
  if (there) {
    value.run = PackRun{there->pack, there->offset, there->bytes};
    payload = {};
    payload_size = 0;
  } else if (payload_size > kMaxInlinePayload) {
    IMG_ASSIGN(const std::uint64_t offset,
               append(payload, payload_size >= kLongRunBytes ? kBlockBytes : 8));
    value.run = PackRun{0, offset, payload_size};
    payload = {};
    payload_size = 0;
  }
  const std::uint64_t size = envelope_size(value, payload_size);
  const std::lock_guard lock(mutex_);
  const bool is_extents =
      place.kind == schema::Kind::extents || place.kind == schema::Kind::extents_shmem;
  draft_.records += is_extents ? 0 : 1;
  draft_.record_bytes += size;
  if (size > kAloneBytes) {
    return put_alone(place, value, payload);
  }
  Batch& batch = is_extents ? extents_ : records_;
  if (batch.bytes.size() + size > kBatchBytes || batch.records.size() == kBatchRecords) {
    IMG_TRY(flush(batch));
  }
  const std::size_t offset = batch.bytes.size();
  batch.bytes.resize(offset + size);
  encode_envelope(value, payload, batch.bytes.data() + offset);
  batch.records.push_back(
      {place, static_cast<std::uint32_t>(offset), static_cast<std::uint32_t>(size)});
  return {};
}

Result<void> PendingImage::put_alone(const RecordPlace& place, const Envelope& record,
                                     std::span<const Bytes> payload) {
  IMG_TRY(flush(records_));
  IMG_ASSIGN(const auto txn, store_->write());
  IMG_TRY(enter(*txn));
  const Key key = Key::record(draft_.commit, place);
  std::uint64_t payload_size = 0;
  for (const Bytes part : payload) {
    payload_size += part.size();
  }
  IMG_ASSIGN(const auto room,
             txn->reserve(key, envelope_size(record, payload_size), WriteTxn::Put::add));
  encode_envelope(record, payload, room.data());
  seal_envelope(key.bytes(), room);
  IMG_TRY(txn->commit());
  is_pending_ = true;
  return {};
}

// Gives the image its number, and puts a pending header where gc and a crash's heirs find it.
Result<void> PendingImage::enter(WriteTxn& txn) {
  if (is_pending_) {
    return {};
  }
  IMG_ASSIGN(const auto number, get_number(txn, Key::counter(), "counter"));
  if (!number || *number == 0) {
    return fail(Fault::corrupt, store_->place(), "read counter", "is not there");
  }
  draft_.commit = *number;
  IMG_TRY(put_number(txn, Key::counter(), *number + 1));
  flatbuffers::FlatBufferBuilder builder;
  return put_table(txn, Key::pending(draft_.commit), draft_.write(builder), WriteTxn::Put::add);
}

Result<void> PendingImage::find_parent(const Txn& txn) const {
  if (draft_.parent) {
    IMG_ASSIGN(const auto parent, txn.get(Key::image(*draft_.parent)));
    if (!parent) {
      return fail(Fault::missing, store_->place(), "write image",
                  "its parent " + draft_.parent->hex() + " is not in the store");
    }
  }
  return {};
}

// Until the commit says which packs it does need, the image needs all that it may come to refer to.
Result<void> PendingImage::write_pending() {
  IMG_ASSIGN(const auto txn, store_->write());
  IMG_TRY(find_parent(*txn));
  IMG_ASSIGN(const std::vector<Id> there, packs_there(*txn));
  offered_.insert(there.begin(), there.end());
  draft_.packs.insert(draft_.packs.end(), there.begin(), there.end());
  IMG_TRY(enter(*txn));
  IMG_TRY(txn->commit());
  is_pending_ = true;
  if (sharing_.known != nullptr) {
    sharing_.known->begin_image(*pack_, there);
  }
  return {};
}

Result<void> PendingImage::flush(Batch& batch) {
  if (batch.records.empty()) {
    return {};
  }
  IMG_ASSIGN(const auto txn, store_->write());
  IMG_TRY(enter(*txn));
  IMG_TRY(write_batch(*txn, batch));
  IMG_TRY(txn->commit());
  is_pending_ = true;
  batch.bytes.clear();
  batch.records.clear();
  return {};
}

Result<void> PendingImage::write_batch(WriteTxn& txn, Batch& batch) {
  const auto by_place = [](const Waiting& a, const Waiting& b) { return a.place < b.place; };
  if (!std::is_sorted(batch.records.begin(), batch.records.end(), by_place)) {
    std::sort(batch.records.begin(), batch.records.end(), by_place);
  }
  if (batch.records.empty()) {
    return {};
  }
  // Where all keys come after what is there, LMDB fills page after page.
  WriteTxn::Put put = WriteTxn::Put::add;
  {
    IMG_ASSIGN(Cursor cursor, txn.cursor());
    IMG_ASSIGN(const auto later,
               cursor.seek(Key::record(draft_.commit, batch.records.front().place)));
    put = later ? WriteTxn::Put::add : WriteTxn::Put::append;
  }
  for (const Waiting& record : batch.records) {
    const Key key = Key::record(draft_.commit, record.place);
    auto room = txn.reserve(key, record.size, put);
    if (!room) {
      return fail(std::move(room).error());
    }
    std::memcpy(room->data(), batch.bytes.data() + record.offset, record.size);
    seal_envelope(key.bytes(), *room);
  }
  return {};
}

Result<void> PendingImage::commit() {
  if (broken_ || committed_) {
    return fail(Fault::usage, store_->place() + "::" + draft_.name, "commit",
                committed_ ? "is committed already" : "a part of it could not be written");
  }
  PackWriter::Sealed sealed;
  if (pack_->size() != 0) {
    IMG_ASSIGN(sealed, pack_->seal());
    if (!store_->is_staged()) {
      IMG_TRY(pack_->sync());
    }
  }
  IMG_ASSIGN(const auto txn, store_->write());
  IMG_TRY(enter(*txn));
  list_packs_in_use();
  IMG_TRY(write_batch(*txn, records_));
  IMG_TRY(write_batch(*txn, extents_));
  IMG_TRY(make_visible(*txn, sealed));
  IMG_TRY(txn->commit());
  committed_ = true;
  if (sealed.bytes != 0) {
    pack_->keep();
  }
  if (sharing_.known != nullptr) {
    sharing_.known->end_image(sealed.bytes);
  }
  pack_.reset();  // ends the lease
  return {};
}

Result<void> PendingImage::take_name(WriteTxn& txn) {
  if (taken_ == NameTaken::yield) {
    return {};
  }
  IMG_ASSIGN(const bool is_taken, has_image(txn, draft_.name));
  if (!is_taken) {
    return {};
  }
  if (taken_ == NameTaken::refuse) {
    return name_is_taken();
  }
  IMG_ASSIGN(const ImageRow old, find_image(txn, draft_.name));
  if (draft_.replaces && old.id != *draft_.replaces) {
    return fail(Fault::conflict, store_->place() + "::" + draft_.name, "replace image",
                "another image has taken its name meanwhile");
  }
  if (old.pinned) {
    return fail(Fault::conflict, store_->place() + "::" + draft_.name, "replace image",
                "it is pinned", "--unpin it first");
  }
  IMG_ASSIGN(const auto child, child_of(*store_, txn, old.id));
  // One that others need stays, without a name, as long as they do.
  const bool is_needed = child || draft_.parent == old.id;
  return is_needed ? Result<void>() : hide_image(txn, old);
}

Result<void> PendingImage::make_visible(WriteTxn& txn, const PackWriter::Sealed& sealed) {
  IMG_TRY(find_parent(txn));
  IMG_ASSIGN(const auto same, txn.get(Key::image(draft_.id)));
  if (same) {
    return fail(Fault::conflict, store_->place() + "::" + draft_.name, "write image",
                "the store has this very image already");
  }
  IMG_TRY(take_name(txn));
  draft_.created_ns = draft_.created_ns == 0 ? realtime_ns() : draft_.created_ns;
  flatbuffers::FlatBufferBuilder builder;
  if (sealed.bytes != 0) {
    IMG_TRY(put_pack(txn, pack_->id(), sealed));
    IMG_TRY(put_number(txn, Key::usage(pack_->id(), draft_.commit), own_bytes_));
  }
  for (const PackUses::Use& use : uses_.all()) {
    IMG_TRY(put_number(txn, Key::usage(use.pack, draft_.commit), use.bytes));
  }
  IMG_TRY(put_table(txn, Key::commit(draft_.commit), draft_.write(builder), WriteTxn::Put::add));
  IMG_TRY(put_number(txn, Key::image(draft_.id), draft_.commit));
  if (taken_ != NameTaken::yield) {
    IMG_TRY(put_name(txn, draft_.name, draft_.id, draft_.commit, draft_.pinned));
  }
  IMG_TRY(txn.remove(Key::pending(draft_.commit)));
  return {};
}

}  // namespace img::store
