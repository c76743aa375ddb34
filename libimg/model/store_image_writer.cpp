// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include "libimg/model/extent_writer.h"
#include "libimg/model/file_name.h"
#include "libimg/model/pagemap.h"
#include "libimg/model/store_image.h"
#include "libimg/model/stored_place.h"
#include "libimg/store/record_table.h"
#include "schema/pack_generated.h"

namespace img::model {

Result<std::unique_ptr<StoreImageWriter>> StoreImageWriter::begin(
    std::shared_ptr<const store::Store> store, store::HeaderDraft draft, store::NameTaken taken,
    store::Sharing sharing) {
  const std::uint32_t page_size = draft.page_size;
  if (page_size < 4096 || page_size > (1U << 20) || (page_size & (page_size - 1)) != 0) {
    return fail(Fault::corrupt, store->place() + "::" + draft.name, "write image",
                fmt::format("pages of {} bytes", page_size));
  }
  IMG_ASSIGN(auto image, store::PendingImage::begin(std::move(store), std::move(draft), taken,
                                                    std::move(sharing)));
  return std::unique_ptr<StoreImageWriter>(new StoreImageWriter(std::move(image)));
}

Failure StoreRecordSink::refuse(const Record& record, std::string why) const {
  image_.spoil();
  return fail(Fault::corrupt, image_.store().place(),
              fmt::format("write {}, record {}", image_file_name(record.key.file), record.key.seq),
              std::move(why));
}

// A file read back must be whole, so it is never stored with a hole in its numbers.
Result<void> StoreRecordSink::check_order(const Record& record) {
  const bool is_next =
      record.key.file == last_.file ? record.key.seq == last_.seq + 1 : record.key.seq <= 1;
  if (!is_next) {
    return refuse(record, "does not follow the record before it");
  }
  last_ = record.key;
  return {};
}

Result<store::Envelope> StoreRecordSink::envelope(const Record& record) {
  IMG_TRY(check_order(record));
  const store::RecordPlace place = stored_place(record.key);
  const bool has_table = !store::record_table(place).empty();
  if (has_table != !record.flatbuffer.empty() ||
      (has_table && !store::is_record_table(record.flatbuffer, place))) {
    return refuse(record, "its bytes are not a table of its kind");
  }
  store::Envelope value;
  value.flatbuffer = record.flatbuffer;
  if (!record.original.empty()) {
    value.original = record.original;
  }
  return value;
}

Result<void> StoreRecordSink::record(const Record& record) {
  IMG_ASSIGN(const store::Envelope value, envelope(record));
  if (is_chunk(record.key)) {
    IMG_TRY(put_memory(record));
    return image_.put(stored_place(record.key), value, {});
  }
  return image_.put(stored_place(record.key), value, record.payload.parts);
}

Result<void> StoreRecordSink::check_bytes(const Record& record, std::uint64_t bytes) {
  const auto wanted =
      present_bytes(*record.as<schema::PagemapChunk>(), image_.header().page_size);
  if (!wanted || *wanted != bytes) {
    return refuse(record, fmt::format("has {} bytes of memory where its entries say {}", bytes,
                                      wanted.value_or(0)));
  }
  if (record.key.seq >= kMostChunks) {
    return refuse(record, "is too far back");
  }
  return {};
}

Result<void> StoreRecordSink::put_memory(const Record& record) {
  IMG_TRY(check_bytes(record, record.payload.size()));
  if (record.payload.size() == 0) {
    return {};
  }
  ExtentWriter extents(image_, record, builder_);
  IMG_TRY(image_.append_pages(record.payload.parts, image_.header().page_size,
                              [&](store::StoredRun run) { return extents.add(run); }));
  return extents.finish();
}

Result<void> StoreRecordSink::placed(const Record& record,
                                     std::span<const store::StoredRun> places) {
  IMG_ASSIGN(const store::Envelope value, envelope(record));
  std::uint64_t bytes = 0;
  for (const store::StoredRun& run : places) {
    bytes += run.bytes;
  }
  IMG_TRY(check_bytes(record, bytes));
  ExtentWriter extents(image_, record, builder_);
  for (const store::StoredRun& run : places) {
    IMG_TRY(extents.add(run));
  }
  IMG_TRY(extents.finish());
  return image_.put(stored_place(record.key), value, {});
}

}  // namespace img::model
