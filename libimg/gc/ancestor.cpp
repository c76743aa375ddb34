// SPDX-License-Identifier: MIT
#include "libimg/gc/ancestor.h"

#include <fmt/core.h>

#include <algorithm>

#include "libimg/model/file_name.h"
#include "libimg/model/stored_place.h"

namespace img::gc {
namespace {

constexpr std::uint64_t kMaxPage = std::uint64_t{1} << 52;

using model::Kind;

Failure corrupt(const store::ImageView& image, const store::RecordPlace& place,
                std::string_view why) {
  return fail(
      Fault::corrupt, image.place(),
      fmt::format("{}: record {}", model::image_file_name({place.kind, place.id}), place.seq),
      std::string(why));
}

/// Hands out the extents of a chunk piece by piece.
class Extents {
 public:
  Extents(const store::ImageView& image, const store::StoredRecord& chunk)
      : image_(image), chunk_(chunk) {}

  [[nodiscard]] Result<void> take(std::uint64_t page, std::uint64_t pages,
                                  std::vector<Piece>& pieces) {
    while (pages > 0) {
      if (list_ == nullptr || at_ == list_->size()) {
        IMG_TRY(open());
        continue;
      }
      const schema::Extent& extent = *list_->Get(at_);
      IMG_TRY(check(extent));
      const std::uint64_t count = std::min(pages, extent.pages() - used_);
      const std::uint64_t size = image_.header().page_size();
      pieces.push_back({page, count, true,
                        store::Id::of(*image_.header().packs()->Get(extent.pack())),
                        extent.offset() + used_ * size});
      page += count;
      pages -= count;
      used_ += count;
      if (used_ == extent.pages()) {
        used_ = 0;
        ++at_;
      }
    }
    return {};
  }

 private:
  Result<void> open() {
    const model::RecordKey key{{chunk_.place.kind, chunk_.place.id}, chunk_.place.seq};
    IMG_ASSIGN(const auto record, image_.record(model::extents_of(key, part_++)));
    if (!record) {
      return corrupt(image_, chunk_.place, "the extents of its memory are missing");
    }
    list_ = flatbuffers::GetRoot<schema::ExtentChunk>(record->value.flatbuffer.data())->extents();
    at_ = 0;
    return {};
  }
  [[nodiscard]] Result<void> check(const schema::Extent& extent) const {
    const auto* packs = image_.header().packs();
    if (extent.encoding() != schema::Encoding::raw) {
      return fail(Fault::unsupported, image_.place(),
                  "its memory is encoded in a way that this version does not know");
    }
    if (packs == nullptr || extent.pack() >= packs->size() || extent.pages() == 0 ||
        extent.pages() > kMaxPage ||
        extent.stored() != extent.pages() * image_.header().page_size()) {
      return corrupt(image_, chunk_.place, "an extent is not what it can be");
    }
    return {};
  }

  const store::ImageView& image_;
  const store::StoredRecord& chunk_;
  const flatbuffers::Vector<const schema::Extent*>* list_ = nullptr;
  std::uint64_t part_ = 0;
  flatbuffers::uoffset_t at_ = 0;
  std::uint64_t used_ = 0;
};

}  // namespace

Result<void> read_chunk(const store::ImageView& image, const store::StoredRecord& chunk,
                        std::vector<ChunkEntry>& entries, std::vector<Piece>& pieces) {
  entries.clear();
  pieces.clear();
  Extents extents(image, chunk);
  const std::uint64_t size = image.header().page_size();
  for (const schema::PagemapEntry* entry :
       *flatbuffers::GetRoot<schema::PagemapChunk>(chunk.value.flatbuffer.data())->entries()) {
    const model::PageRun run = model::page_run(*entry);
    const std::size_t before = pieces.size();
    if (run.address % size != 0 || run.pages > kMaxPage) {
      return corrupt(image, chunk.place, "an entry is not what it can be");
    }
    if (run.is_present()) {
      IMG_TRY(extents.take(run.address / size, run.pages, pieces));
    } else if (run.is_in_parent() && run.pages != 0) {
      pieces.push_back({run.address / size, run.pages, false, {}, 0});
    }
    entries.push_back({entry, before, pieces.size() - before});
  }
  return {};
}

Result<void> Ancestor::turn_to(model::FileKey pagemap) {
  file_ = pagemap;
  chunks_.clear();
  loaded_ = 0;
  std::uint64_t end = 0;
  const std::uint64_t size = view_.header().page_size();
  const auto visit = [&](const store::StoredRecord& record) -> Result<bool> {
    if (record.place.kind != file_.kind || record.place.id != file_.id) {
      return false;
    }
    for (const schema::PagemapEntry* entry :
         *flatbuffers::GetRoot<schema::PagemapChunk>(record.value.flatbuffer.data())->entries()) {
      const model::PageRun run = model::page_run(*entry);
      if (run.address / size < end || run.pages > kMaxPage) {
        return corrupt(view_, record.place, "its entries do not ascend");
      }
      end = run.address / size + run.pages;
    }
    chunks_.push_back({record.place.seq, end});
    return true;
  };
  return view_.walk({file_.kind, file_.id, 2}, visit);
}

Result<void> Ancestor::load(std::uint64_t seq) {
  if (loaded_ == seq) {
    return {};
  }
  IMG_ASSIGN(const auto record, view_.record({file_.kind, file_.id, seq}));
  if (!record) {
    return fail(Fault::corrupt, view_.place(), "a record has gone");
  }
  std::vector<ChunkEntry> entries;
  IMG_TRY(read_chunk(view_, *record, entries, pieces_));
  loaded_ = seq;
  return {};
}

Failure Ancestor::lacks(std::uint64_t page) const {
  return fail(Fault::corrupt, view_.place(), model::image_file_name(file_),
              fmt::format("does not have the page at {:#x} that a later image leaves to it",
                          page * view_.header().page_size()));
}

Result<void> Ancestor::find(std::uint64_t page, std::uint64_t pages, std::vector<Piece>& found) {
  auto chunk = std::ranges::upper_bound(chunks_, page, {}, &Chunk::end);
  while (pages > 0) {
    if (chunk == chunks_.end()) {
      return lacks(page);
    }
    IMG_TRY(load(chunk->seq));
    auto piece = std::ranges::upper_bound(pieces_, page, {}, &Piece::end);
    for (; pages > 0 && piece != pieces_.end(); ++piece) {
      if (piece->page > page) {
        return lacks(page);
      }
      Piece part = *piece;
      part.offset += (page - part.page) * view_.header().page_size();
      part.page = page;
      part.pages = std::min(pages, piece->end() - page);
      page += part.pages;
      pages -= part.pages;
      found.push_back(part);
    }
    ++chunk;
  }
  return {};
}

}  // namespace img::gc
