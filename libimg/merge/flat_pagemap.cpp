// SPDX-License-Identifier: MIT
#include "libimg/merge/flat_pagemap.h"

#include "libimg/merge/pieces.h"
#include "schema/pack_generated.h"

namespace img::merge {
namespace {

using model::FileKey;
using model::Record;

/// Passes on what comes before the entries.
class HeadSink : public model::RecordSink {
 public:
  explicit HeadSink(model::RecordSink& to) : to_(to) {}
  Result<void> record(const Record& record) override {
    return record.key.seq > 1 ? Result<void>() : to_.record(record);
  }

 private:
  model::RecordSink& to_;
};

/// Entries and their memory as records.
class ChunkMaker {
 public:
  ChunkMaker(const Pieces& pieces, FileKey pagemap, std::uint32_t page_size,
             model::RecordSink& sink)
      : pieces_(pieces), page_size_(page_size), sink_(sink) {
    record_.key = {pagemap, 2};
    record_.table = &schema::table_layout("PagemapChunk");
    builder_.ForceDefaults(true);
  }

  Result<void> add(const Piece& piece) {
    const bool follows = run_.bytes != 0 && piece.address == run_.end() &&
                         piece.flags == run_.flags && piece.bytes <= most_bytes() - run_.bytes;
    if (!follows) {
      IMG_TRY(end_entry());
      run_ = {piece.address, 0, nullptr, piece.flags};
    }
    run_.bytes += piece.bytes;
    if (piece.memory == nullptr) {
      return {};
    }
    auto& parts = record_.payload.parts;
    const Bytes bytes(piece.memory, piece.bytes);
    if (!parts.empty() && parts.back().data() + parts.back().size() == bytes.data()) {
      parts.back() = {parts.back().data(), parts.back().size() + bytes.size()};
    } else {
      parts.push_back(bytes);
    }
    return parts.size() < kMostParts ? Result<void>() : end_chunk();
  }

  Result<void> end_chunk() {
    if (run_.bytes != 0) {
      add_entry();
    }
    if (entries_.empty()) {
      return {};
    }
    builder_.Finish(schema::CreatePagemapChunk(builder_, builder_.CreateVector(entries_)));
    record_.flatbuffer = std::as_bytes(std::span(builder_.GetBufferPointer(), builder_.GetSize()));
    IMG_TRY(sink_.record(record_));
    ++record_.key.seq;
    builder_.Clear();
    entries_.clear();
    record_.payload.parts.clear();
    return {};
  }

 private:
  // One entry can be scattered over all levels; it is then several.
  static constexpr std::size_t kMostParts = 65536;

  /// Before CRIU 4.2 the number has 32 bits.
  [[nodiscard]] std::uint64_t most_bytes() const {
    return pieces_.has_nr_pages() ? UINT64_MAX : std::uint64_t{UINT32_MAX} * page_size_;
  }

  Result<void> end_entry() {
    if (run_.bytes != 0) {
      add_entry();
    }
    return entries_.size() < model::kChunkEntries ? Result<void>() : end_chunk();
  }

  void add_entry() {
    const std::uint64_t pages = run_.bytes / page_size_;
    schema::PagemapEntryBuilder entry(builder_);
    entry.add_vaddr(run_.address);
    entry.add_compat_nr_pages(pieces_.has_nr_pages() ? 0 : static_cast<std::uint32_t>(pages));
    if (pieces_.has_flags()) {
      entry.add_flags(run_.flags);
    }
    if (pieces_.has_nr_pages()) {
      entry.add_nr_pages(pages);
    }
    entries_.push_back(entry.Finish());
    run_ = {};
  }

  const Pieces& pieces_;
  std::uint32_t page_size_;
  model::RecordSink& sink_;
  Record record_;
  flatbuffers::FlatBufferBuilder builder_;
  std::vector<flatbuffers::Offset<schema::PagemapEntry>> entries_;
  Piece run_;  // the entry at hand
};

}  // namespace

Result<void> read_flat(const std::vector<model::ImageReader*>& levels, FileKey pagemap,
                       model::RecordSink& sink) {
  model::ImageReader& newest = *levels.front();
  if (levels.size() == 1) {
    return newest.read(pagemap, sink);
  }
  const std::uint32_t page_size = newest.header().page_size();
  Pieces pieces(pagemap, page_size);
  IMG_TRY(pieces.begin(newest));
  if (pieces.is_complete()) {
    return newest.read(pagemap, sink);
  }
  for (std::size_t level = 1; level < levels.size() && !pieces.is_complete(); ++level) {
    IMG_TRY(pieces.ask(*levels[level]));
  }
  IMG_TRY(pieces.check_complete(newest));
  HeadSink head(sink);
  IMG_TRY(newest.read(pagemap, head));
  ChunkMaker chunks(pieces, pagemap, page_size, sink);
  for (const Piece& piece : pieces.ascending()) {
    IMG_TRY(chunks.add(piece));
  }
  return chunks.end_chunk();
}

}  // namespace img::merge
