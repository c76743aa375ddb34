// SPDX-License-Identifier: MIT
#include "libimg/model/extent_writer.h"

#include "libimg/model/pagemap.h"
#include "libimg/model/stored_place.h"

namespace img::model {

ExtentWriter::ExtentWriter(store::PendingImage& image, const Record& record,
                           flatbuffers::FlatBufferBuilder& builder)
    : image_(image),
      key_(record.key),
      chunk_(*record.as<schema::PagemapChunk>()),
      page_size_(image.header().page_size),
      builder_(builder) {}

void ExtentWriter::next_entry() {
  while (pages_left_ == 0) {
    const PageRun run = page_run(*chunk_.entries()->Get(entry_++));
    if (run.is_present()) {
      page_ = run.address / page_size_;
      pages_left_ = run.pages;
    }
  }
}

Result<void> ExtentWriter::add(store::StoredRun run) {
  while (run.bytes > 0) {
    next_entry();
    const std::uint64_t pages = std::min(pages_left_, run.bytes / page_size_);
    const std::uint64_t bytes = pages * page_size_;
    IMG_TRY(add_extent({page_, pages, run.pack, schema::Encoding::raw, run.offset, bytes}));
    page_ += pages;
    pages_left_ -= pages;
    run.offset += bytes;
    run.bytes -= bytes;
  }
  return {};
}

Result<void> ExtentWriter::add_extent(const schema::Extent& next) {
  if (!extents_.empty()) {
    schema::Extent& last = extents_.back();
    if (last.pack() == next.pack() && last.offset() + last.stored() == next.offset() &&
        last.first_page() + last.pages() == next.first_page()) {
      last = {last.first_page(), last.pages() + next.pages(),  last.pack(), last.encoding(),
              last.offset(),     last.stored() + next.stored()};
      return {};
    }
  }
  if (extents_.size() == kChunkEntries) {
    IMG_TRY(put());
  }
  extents_.push_back(next);
  return {};
}

Result<void> ExtentWriter::finish() {
  return extents_.empty() ? Result<void>() : put();
}

Result<void> ExtentWriter::put() {
  builder_.Clear();
  builder_.Finish(schema::CreateExtentChunk(builder_, builder_.CreateVectorOfStructs(extents_)));
  extents_.clear();
  store::Envelope value;
  value.flatbuffer = std::as_bytes(std::span(builder_.GetBufferPointer(), builder_.GetSize()));
  return image_.put(extents_of(key_, part_++), value, {});
}

}  // namespace img::model
