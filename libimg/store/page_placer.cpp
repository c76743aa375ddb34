// SPDX-License-Identifier: MIT
#include "libimg/store/page_placer.h"

namespace img::store {
namespace {

// A chunk is read as one list of runs, so their number is bounded: where one chunk has very many
// pages, only longer runs are shared.
constexpr std::uint64_t kMostRuns = std::uint64_t{1} << 20;
constexpr std::size_t kWriteBytes = 256 * 1024;

}  // namespace

void PagePlacer::Pieces::add(Bytes bytes, std::uint64_t tag) {
  tags.push_back(tag);
  if (!parts.empty() && parts.back().data() + parts.back().size() == bytes.data()) {
    parts.back() = {parts.back().data(), parts.back().size() + bytes.size()};
    return;
  }
  parts.push_back(bytes);
}

void PagePlacer::Pieces::clear() {
  parts.clear();
  tags.clear();
}

PagePlacer::PagePlacer(PendingImage& image, std::uint64_t page_size, std::uint64_t pages,
                       const Use& use)
    : image_(image),
      page_size_(page_size),
      shortest_(std::max<std::uint64_t>(1, (2 * pages + kMostRuns - 1) / kMostRuns)),
      use_(use) {}

Result<void> PagePlacer::add(Bytes bytes) {
  if (const auto there = image_.find_in_place(bytes, page_size_)) {
    IMG_TRY(end_shared());
    IMG_TRY(write_new());
    return use_(*there);
  }
  if (image_.sharing_.known == nullptr) {
    new_.parts.push_back(bytes);
    return write_new();
  }
  for (std::size_t at = 0; at < bytes.size(); at += page_size_) {
    IMG_TRY(add_page(bytes.subspan(at, page_size_)));
  }
  return {};
}

Result<void> PagePlacer::add_page(Bytes page) {
  KnownPages& known = *image_.sharing_.known;
  // Where one page is, the next one often follows; then it need not be hashed.
  if (shared_bytes_ > 0 && known.is_at({place_.pack, place_.offset + shared_bytes_}, page)) {
    shared_.add(page, 0);
    shared_bytes_ += page_size_;
    return {};
  }
  const std::uint64_t tag = KnownPages::tag_of(page);
  const auto place = known.find(tag, page);
  IMG_TRY(end_shared());
  if (place) {
    begin_shared(*place, page);
    return {};
  }
  new_.add(page, tag);
  return new_.tags.size() * page_size_ >= kWriteBytes ? write_new() : Result<void>();
}

void PagePlacer::begin_shared(const KnownPages::Place& place, Bytes page) {
  place_ = place;
  shared_.add(page, 0);
  shared_bytes_ = page_size_;
}

Result<void> PagePlacer::end_shared() {
  if (shared_bytes_ == 0) {
    return {};
  }
  if (shared_bytes_ / page_size_ < shortest_) {
    for (const Bytes part : shared_.parts) {
      for (std::size_t at = 0; at < part.size(); at += page_size_) {
        new_.add(part.subspan(at, page_size_), 0);
      }
    }
  } else {
    IMG_TRY(write_new());
    const Id pack = image_.sharing_.known->pack_id(place_.pack);
    IMG_TRY(use_(image_.refer(pack, place_.offset, shared_bytes_)));
  }
  shared_.clear();
  shared_bytes_ = 0;
  return {};
}

Result<void> PagePlacer::write_new() {
  std::uint64_t bytes = 0;
  for (const Bytes part : new_.parts) {
    bytes += part.size();
  }
  if (bytes == 0) {
    return {};
  }
  IMG_ASSIGN(const std::uint64_t offset, image_.append(new_.parts, page_size_));
  for (std::size_t page = 0; page < new_.tags.size(); ++page) {
    if (new_.tags[page] != 0) {
      IMG_TRY(image_.sharing_.known->add(new_.tags[page], offset + page * page_size_, page_size_));
    }
  }
  new_.clear();
  return use_({0, offset, bytes});
}

Result<void> PagePlacer::finish() {
  IMG_TRY(end_shared());
  return write_new();
}

}  // namespace img::store
