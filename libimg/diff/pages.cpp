// SPDX-License-Identifier: MIT
// Memory, page by page: of each page map two ascending lists of pieces, gone through once.
#include <fmt/core.h>

#include <algorithm>

#include "libimg/diff/parts.h"
#include "libimg/merge/pieces.h"

namespace img::diff {
namespace {

using merge::Piece;
using merge::Pieces;
using model::FileKey;
using model::ImageReader;
using schema::Kind;

/// Newest first.
Result<std::vector<ImageReader*>> levels_of(ImageReader& newest) {
  constexpr std::size_t kMaxLevels = 4096;  // FORMAT.md, "Limits"
  std::vector<ImageReader*> levels;
  for (ImageReader* level = &newest; level != nullptr;) {
    if (levels.size() == kMaxLevels) {
      return fail(Fault::limit, newest.place(), "a chain of more than 4096 levels");
    }
    levels.push_back(level);
    IMG_ASSIGN(level, level->parent());
  }
  return levels;
}

Result<void> fill(Pieces& pieces, const std::vector<ImageReader*>& levels) {
  IMG_TRY(pieces.begin(*levels.front()));
  for (std::size_t level = 1; level < levels.size() && !pieces.is_complete(); ++level) {
    IMG_TRY(pieces.ask(*levels[level]));
  }
  return pieces.check_complete(*levels.front());
}

/// Pieces that have memory, cut as the other side needs them.
class Cursor {
 public:
  explicit Cursor(std::span<const Piece> pieces) : pieces_(pieces) { settle(); }
  [[nodiscard]] bool at_end() const { return index_ == pieces_.size(); }
  [[nodiscard]] std::uint64_t address() const {
    return at_end() ? UINT64_MAX : pieces_[index_].address + offset_;
  }
  [[nodiscard]] Bytes bytes() const {
    return {pieces_[index_].memory + offset_, pieces_[index_].bytes - offset_};
  }
  void advance(std::uint64_t bytes) {
    offset_ += bytes;
    if (offset_ == pieces_[index_].bytes) {
      ++index_;
      offset_ = 0;
      settle();
    }
  }

 private:
  void settle() {
    while (index_ < pieces_.size() && pieces_[index_].memory == nullptr) {
      ++index_;
    }
  }
  std::span<const Piece> pieces_;
  std::size_t index_ = 0;
  std::uint64_t offset_ = 0;
};

/// Counts pages, and puts those that are different where they belong.
class Counter {
 public:
  Counter(FileKey file, std::uint64_t page_size, std::vector<PagePlace> places, Sink& sink)
      : file_(file), page_size_(page_size), sink_(sink) {
    item_.file = file;
    item_.places = std::move(places);
  }

  void same(std::uint64_t address, std::uint64_t bytes) {
    end_range();
    spread(address, bytes, &PageCounts::same);
  }
  void different(std::uint64_t address, std::uint64_t bytes, Change change) {
    if (range_.bytes != 0 && range_.change == change && range_.address + range_.bytes == address) {
      range_.bytes += bytes;
    } else {
      end_range();
      range_ = {address, bytes, change};
    }
  }

  [[nodiscard]] PageItem finish() {
    end_range();
    std::erase_if(item_.places,
                  [](const PagePlace& place) { return place.pages.different() == 0; });
    if (outside_.pages.different() != 0) {
      item_.places.push_back(outside_);
    }
    return std::move(item_);
  }

 private:
  void end_range() {
    if (range_.bytes == 0) {
      return;
    }
    sink_.range(file_, range_);
    spread(range_.address, range_.bytes,
           range_.change == Change::changed ? &PageCounts::changed
           : range_.change == Change::added ? &PageCounts::added
                                            : &PageCounts::gone);
    range_ = {};
  }

  // Ascending from call to call.
  void spread(std::uint64_t at, std::uint64_t bytes, std::uint64_t PageCounts::*count) {
    item_.pages.*count += bytes / page_size_;
    const std::uint64_t end = at + bytes;
    while (at < end) {
      while (place_ < item_.places.size() && item_.places[place_].end <= at) {
        ++place_;
      }
      const bool is_inside = place_ < item_.places.size() && item_.places[place_].start <= at;
      PagePlace& place = is_inside ? item_.places[place_] : outside_;
      const std::uint64_t next = is_inside                      ? place.end
                                 : place_ < item_.places.size() ? item_.places[place_].start
                                                                : end;
      const std::uint64_t here = std::min(next, end);
      place.pages.*count += (here - at) / page_size_;
      at = here;
    }
  }

  FileKey file_;
  std::uint64_t page_size_;
  Sink& sink_;
  PageItem item_;
  PagePlace outside_{0, 0, "in no mapping", {}};
  PageRange range_;
  std::size_t place_ = 0;
};

void compare_memory(std::uint64_t address, Bytes before, Bytes after, std::uint64_t page_size,
                    Counter& counter) {
  if (before.data() == after.data() ||
      std::memcmp(before.data(), after.data(), before.size()) == 0) {
    counter.same(address, before.size());
    return;
  }
  for (std::size_t at = 0; at < before.size(); at += page_size) {
    if (std::memcmp(before.data() + at, after.data() + at, page_size) == 0) {
      counter.same(address + at, page_size);
    } else {
      counter.different(address + at, page_size, Change::changed);
    }
  }
}

void compare_pieces(Cursor before, Cursor after, std::uint64_t page_size, Counter& counter) {
  while (!before.at_end() || !after.at_end()) {
    const std::uint64_t a = before.address();
    const std::uint64_t b = after.address();
    if (a < b) {
      const std::uint64_t bytes = std::min<std::uint64_t>(before.bytes().size(), b - a);
      counter.different(a, bytes, Change::gone);
      before.advance(bytes);
    } else if (b < a) {
      const std::uint64_t bytes = std::min<std::uint64_t>(after.bytes().size(), a - b);
      counter.different(b, bytes, Change::added);
      after.advance(bytes);
    } else {
      // In steps, so that what has been looked at for being the same is still in the cache.
      const std::size_t bytes =
          std::min({before.bytes().size(), after.bytes().size(), std::size_t{32} * page_size});
      compare_memory(a, before.bytes().first(bytes), after.bytes().first(bytes), page_size,
                     counter);
      before.advance(bytes);
      after.advance(bytes);
    }
  }
}

/// Those of the later image; of the other where there are none.
std::vector<PagePlace> places_of(const Pair& pair, FileKey file) {
  std::vector<PagePlace> places;
  if (file.kind != Kind::pagemap) {
    return places;
  }
  const FileKey mm{Kind::mm, file.id};
  show::Subject& subject = pair.after.has(mm) ? pair.after : pair.before;
  if (subject.has(mm)) {
    for (const show::Mapping& mapping :
         show::places_of(subject, static_cast<std::uint32_t>(file.id)).all) {
      places.push_back({mapping.start, mapping.end, mapping_title(subject, mapping), {}});
    }
    std::ranges::sort(places, {}, &PagePlace::start);
  }
  return places;
}

void add(PageCounts& to, const PageCounts& from) {
  to.same += from.same;
  to.changed += from.changed;
  to.added += from.added;
  to.gone += from.gone;
}

}  // namespace

Result<PageCounts> compare_pages(const Pair& pair, Sink& sink) {
  std::set<FileKey> files;
  for (show::Subject* subject : {&pair.before, &pair.after}) {
    for (const Kind kind : {Kind::pagemap, Kind::pagemap_shmem}) {
      const auto some = subject->files_of(kind);
      files.insert(some.begin(), some.end());
    }
  }
  ImageReader& before = pair.before.reader();
  ImageReader& after = pair.after.reader();
  const std::uint32_t page_size = after.header().page_size();
  if (!files.empty() && before.header().page_size() != page_size) {
    return fail(Fault::unsupported, before.place(),
                "pages of another size than in the other image");
  }
  IMG_ASSIGN(const std::vector<ImageReader*> levels_before, levels_of(before));
  IMG_ASSIGN(const std::vector<ImageReader*> levels_after, levels_of(after));
  PageCounts total;
  for (const FileKey file : files) {
    Pieces old_pieces(file, page_size);
    Pieces new_pieces(file, page_size);
    IMG_TRY(fill(old_pieces, levels_before));
    IMG_TRY(fill(new_pieces, levels_after));
    Counter counter(file, page_size, places_of(pair, file), sink);
    compare_pieces(Cursor(old_pieces.ascending()), Cursor(new_pieces.ascending()), page_size,
                   counter);
    PageItem item = counter.finish();
    add(total, item.pages);
    if (item.pages.different() != 0) {
      item.what = file.kind == Kind::pagemap ? title(pair, static_cast<std::uint32_t>(file.id))
                                             : fmt::format("shared memory {}", file.id);
      sink.page(item);
    }
  }
  return total;
}

}  // namespace img::diff
