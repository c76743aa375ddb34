// SPDX-License-Identifier: MIT
// The entries of a pagemap, gathered into chunks with their memory.
#include <fmt/core.h>

#include "libimg/json/file_in.h"
#include "libimg/model/pagemap.h"

namespace img::json {

using model::Record;

Result<void> FileIn::chunk_entry(Parser& parser) {
  const schema::TableLayout& table = schema::table_layout("PagemapEntry");
  extra_.begin(parser, *kind_, context_->order);
  IMG_ASSIGN(const auto offset, message_.object(parser, table, &extra_));
  const flatbuffers::Offset<schema::PagemapEntry> made(offset);
  const auto& entry = *flatbuffers::GetTemporaryPointer(message_.buffer(), made);
  Record nothing{{key_, 0}, &table, {}, {}, {}};
  IMG_TRY(extra_.give(nothing));
  if (nothing.payload.size() != 0) {
    return parser.refuse("an entry of a pagemap has no `_extra`");
  }
  IMG_ASSIGN(const Bytes original,
             checked_original(parser, table, reinterpret_cast<const flatbuffers::Table&>(entry)));
  if (!original.empty()) {
    originals_.push_back({chunk_.size(), std::string(as_text(original))});
  }
  const model::PageRun run = model::page_run(entry);
  if (run.is_present()) {
    std::uint64_t bytes = 0;
    if (__builtin_mul_overflow(run.pages, context_->page_size, &bytes) ||
        __builtin_add_overflow(chunk_bytes_, bytes, &chunk_bytes_)) {
      return parser.refuse("stands for more memory than there can be");
    }
  }
  chunk_.push_back(made);
  return chunk_.size() == model::kChunkEntries ? send_chunk(parser) : Result<void>{};
}

Result<Bytes> FileIn::chunk_memory(Parser& parser) {
  const std::uint64_t begin = used_;
  if (__builtin_add_overflow(used_, chunk_bytes_, &used_)) {
    return parser.refuse("stands for more memory than there can be");
  }
  if (chunk_bytes_ == 0 || !context_->pages) {
    return Bytes{};
  }
  IMG_ASSIGN(const Bytes all, context_->pages(pages_id_));
  if (used_ > all.size()) {
    return parser.refuse(fmt::format("stands for {} bytes of pages-{}.img, which has {}", used_,
                                     pages_id_, all.size()));
  }
  return all.subspan(begin, chunk_bytes_);
}

Result<void> FileIn::send_chunk(Parser& parser) {
  IMG_ASSIGN(const Bytes memory, chunk_memory(parser));
  std::string original;
  auto& buffer = message_.buffer();
  const auto entries = buffer.CreateVector(chunk_);
  Record record{{key_, ++seq_}, &schema::table_layout("PagemapChunk"), {}, {}, {}};
  record.flatbuffer = message_.finish(schema::CreatePagemapChunk(buffer, entries).o);
  if (!originals_.empty()) {
    // All of the chunk's messages with their size words, also those that are encoded as usual.
    auto odd = originals_.begin();
    const auto& list = *record.as<schema::PagemapChunk>()->entries();
    for (flatbuffers::uoffset_t i = 0; i < list.size(); ++i) {
      const auto& root = reinterpret_cast<const flatbuffers::Table&>(*list[i]);
      const bool is_odd = odd != originals_.end() && odd->entry == i;
      const std::string_view message =
          is_odd ? std::string_view((odd++)->bytes)
                 : as_text(encoder_.encode(schema::table_layout("PagemapEntry"), root));
      char word[criu::kWordBytes];
      context_->order.put32(word, static_cast<std::uint32_t>(message.size()));
      original.append(word, sizeof word).append(message);
    }
    record.original = as_bytes(original);
  }
  if (!memory.empty()) {
    record.payload.parts.push_back(memory);
  }
  IMG_TRY(sink_->record(record));
  message_.begin();
  chunk_.clear();
  originals_.clear();
  chunk_bytes_ = 0;
  return {};
}

}  // namespace img::json
