// SPDX-License-Identifier: MIT
#include "libimg/store/image_edit.h"

#include <algorithm>

#include "libimg/store/catalogue.h"
#include "libimg/store/pack_table.h"
#include "libimg/store/value.h"

namespace img::store {

Result<ImageEdit> ImageEdit::begin(WriteTxn& txn, const Id& image) {
  IMG_ASSIGN(const ImageRow row, find_image(txn, image));
  IMG_ASSIGN(const auto value, get_value(txn, Key::commit(row.commit), "image header"));
  if (!value) {
    return fail(Fault::missing, txn.place(), "no image " + image.hex());
  }
  ImageEdit edit(txn);
  // The header's own bytes move with the first record that is written.
  edit.header_.assign(value->flatbuffer.begin(), value->flatbuffer.end());
  edit.draft_ = HeaderDraft::of(*flatbuffers::GetRoot<schema::ImageHeader>(edit.header_.data()));
  return edit;
}

Result<std::uint32_t> ImageEdit::index_of(const Id& pack) {
  const auto found = std::ranges::find(draft_.packs, pack);
  const auto index = static_cast<std::uint32_t>(found - draft_.packs.begin());
  if (found == draft_.packs.end()) {
    IMG_ASSIGN(const auto known, txn_->get(Key::pack(pack)));
    if (!known) {
      return fail(Fault::missing, txn_->place(), "refer to pack " + pack.hex(), "it has gone");
    }
    draft_.packs.push_back(pack);
    use_[pack] += 0;
  }
  return index;
}

// Records refer to packs by index, so a place in the middle of the list is filled with another.
void ImageEdit::leave_pack(const Id& pack) {
  while (!draft_.packs.empty() && draft_.packs.back() == pack) {
    draft_.packs.pop_back();
  }
  if (!draft_.packs.empty()) {
    std::ranges::replace(draft_.packs, pack, draft_.packs.back());
  }
  use_.erase(pack);
  left_.push_back(pack);
}

void ImageEdit::forget_origin() {
  if (draft_.provenance == nullptr) {
    return;
  }
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  const schema::Provenance& before = *draft_.provenance;
  const auto writer =
      before.writer() == nullptr ? 0 : builder.CreateString(before.writer()->string_view());
  schema::ProvenanceBuilder made(builder);
  made.add_origin(before.origin());
  made.add_img_version(before.img_version());
  made.add_byte_order(before.byte_order());
  if (!writer.IsNull()) {
    made.add_writer(writer);
  }
  builder.Finish(made.Finish());
  const Bytes bytes = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
  origin_.assign(bytes.begin(), bytes.end());
  draft_.provenance = flatbuffers::GetRoot<schema::Provenance>(origin_.data());
}

Result<void> ImageEdit::put_record(const RecordPlace& place, const Envelope& value) {
  return put_value(*txn_, Key::record(draft_.commit, place), value, WriteTxn::Put::replace);
}

Result<void> ImageEdit::remove_record(const RecordPlace& place) {
  IMG_TRY(txn_->remove(Key::record(draft_.commit, place)));
  return {};
}

Result<void> ImageEdit::finish() {
  for (const auto& [pack, bytes] : use_) {
    const Key key = Key::usage(pack, draft_.commit);
    IMG_ASSIGN(const auto before, get_number(*txn_, key, "pack usage"));
    const std::int64_t now = static_cast<std::int64_t>(before.value_or(0)) + bytes;
    IMG_TRY(put_number(*txn_, key, static_cast<std::uint64_t>(std::max<std::int64_t>(now, 0))));
  }
  for (const Id& pack : left_) {
    IMG_TRY(txn_->remove(Key::usage(pack, draft_.commit)));
  }
  IMG_TRY(forget_unused_packs(*txn_, left_));
  flatbuffers::FlatBufferBuilder builder;
  return put_table(*txn_, Key::commit(draft_.commit), draft_.write(builder),
                   WriteTxn::Put::replace);
}

}  // namespace img::store
