// SPDX-License-Identifier: MIT
// What of an image's bytes stays where it is.
#include <algorithm>

#include "libimg/store/page_placer.h"
#include "libimg/store/pending_image.h"

namespace img::store {

Result<void> PendingImage::append_pages(std::span<const Bytes> parts, std::uint64_t page_size,
                                        const std::function<Result<void>(StoredRun)>& use) {
  std::uint64_t size = 0;
  for (const Bytes part : parts) {
    size += part.size();
    if (sharing_.is_any() && part.size() % page_size != 0) {
      return fail(Fault::corrupt, store_->place(), "write memory", "a part is not whole pages");
    }
  }
  if (!sharing_.is_any()) {
    IMG_ASSIGN(const std::uint64_t offset, append(parts, page_size));
    return use({0, offset, size});
  }
  PagePlacer placer(*this, page_size, size / page_size, use);
  for (const Bytes part : parts) {
    IMG_TRY(placer.add(part));
  }
  return placer.finish();
}

std::optional<StoredRun> PendingImage::find_in_place(Bytes bytes, std::uint64_t alignment) {
  if (sharing_.packs.empty()) {
    return std::nullopt;
  }
  const auto place = store_->place_of(bytes);
  if (!place || place->offset % alignment != 0 || !offered_.contains(place->pack)) {
    return std::nullopt;
  }
  return refer(place->pack, place->offset, bytes.size());
}

StoredRun PendingImage::refer(const Id& pack, std::uint64_t offset, std::uint64_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    draft_.pack_bytes += bytes;
  }
  if (pack == pack_->id()) {
    return {0, offset, bytes};
  }
  return {1 + uses_.add(pack, offset, bytes), offset, bytes};
}

Result<std::vector<Id>> PendingImage::packs_there(const WriteTxn& txn) const {
  std::vector<Id> wanted = sharing_.packs;
  if (sharing_.known != nullptr) {
    const std::vector<Id> known = sharing_.known->packs();
    wanted.insert(wanted.end(), known.begin(), known.end());
  }
  std::ranges::sort(wanted);
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  std::vector<Id> there;
  for (const Id& pack : wanted) {
    IMG_ASSIGN(const auto known, txn.get(Key::pack(pack)));
    if (known) {
      there.push_back(pack);
    }
  }
  return there;
}

// The own pack is the first. If nothing is in it, the place is taken by another, for the numbers of
// the packs are in the records.
void PendingImage::list_packs_in_use() {
  draft_.packs.resize(1);
  for (const PackUses::Use& use : uses_.all()) {
    draft_.packs.push_back(use.pack);
  }
  if (pack_->size() == 0) {
    if (uses_.all().empty()) {
      draft_.packs.clear();
    } else {
      draft_.packs.front() = uses_.all().front().pack;
    }
  }
}

}  // namespace img::store
