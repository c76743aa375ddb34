// SPDX-License-Identifier: MIT
#include "libimg/store/known_pages.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "libimg/base/assert.h"
#include "libimg/base/digest.h"
#include "libimg/base/file.h"
#include "libimg/base/mapped_file.h"
#include "libimg/store/catalogue.h"
#include "libimg/store/pack_file.h"
#include "schema/pack_generated.h"

namespace img::store {
namespace {

constexpr std::uint64_t kFirstSlots = 4096;

}  // namespace

KnownPages::KnownPages(std::shared_ptr<const Store> store)
    : store_(std::move(store)), secret_(random_bits()) {}

std::uint64_t KnownPages::tag_of(Bytes page) {
  return hash128(page.first(kBlockBytes)).lo;  // of a large page the first block speaks for it
}

Result<std::unique_ptr<KnownPages>> KnownPages::read(std::shared_ptr<const Store> store,
                                                     const Txn& now) {
  std::unique_ptr<KnownPages> pages(new KnownPages(std::move(store)));
  IMG_ASSIGN(const std::vector<PackRow> rows, list_packs(now));
  std::uint64_t blocks = 0;
  for (const PackRow& row : rows) {
    blocks += row.bytes / kBlockBytes;
    pages->packs_.push_back({row.id, row.bytes, nullptr, true, nullptr});
  }
  IMG_TRY(pages->make_room(std::max(kFirstSlots, std::bit_ceil(2 * std::min(blocks, kMostPages)))));
  for (std::uint32_t pack = 0; pack < rows.size() && pages->used_ < kMostPages; ++pack) {
    IMG_TRY(pages->read_hashes(pack));
  }
  return pages;
}

// A pack whose hashes cannot be read is one that nothing is shared with.
Result<void> KnownPages::read_hashes(std::uint32_t pack) {
  const std::string name = hash_file_name(packs_[pack].id);
  const std::string thing = store_->place() + "/packs/" + name;
  const auto fd = open_regular(store_->packs(), name, O_RDONLY, thing);
  if (!fd) {
    return {};
  }
  const std::uint64_t blocks = packs_[pack].bytes / kBlockBytes;
  IMG_ASSIGN(const std::uint64_t size, file_size(fd->get(), thing));
  if (size != blocks * kHashBytes) {
    return {};
  }
  IMG_ASSIGN(const MappedFile hashes, MappedFile::map(fd->get(), size, thing));
  for (std::uint64_t block = 0; block < blocks && used_ < kMostPages; ++block) {
    const auto low = load<std::uint64_t>(hashes.bytes().data() + block * kHashBytes);
    IMG_TRY(put({low, pack + 1, static_cast<std::uint32_t>(block)}));
  }
  return {};
}

std::vector<Id> KnownPages::packs() const {
  std::vector<Id> ids;
  for (const Pack& pack : packs_) {
    ids.push_back(pack.id);
  }
  return ids;
}

void KnownPages::begin_image(const PackWriter& own, const std::vector<Id>& there) {
  const std::lock_guard lock(mutex_);
  const std::set<Id> offered(there.begin(), there.end());
  for (Pack& pack : packs_) {
    pack.is_offered = offered.contains(pack.id);
  }
  packs_.push_back({own.id(), 0, &own, true, nullptr});
}

void KnownPages::end_image(std::uint64_t sealed) {
  const std::lock_guard lock(mutex_);
  packs_.back().writer = nullptr;
  packs_.back().bytes = sealed;
}

KnownPages::Slot* KnownPages::slot_of(std::uint64_t tag) {
  const std::uint64_t mask = table_.size() - 1;
  for (std::uint64_t at = hash64(std::as_bytes(std::span(&tag, 1)), secret_);; ++at) {
    Slot& slot = table_[at & mask];
    if (slot.pack == 0 || slot.tag == tag) {
      return &slot;
    }
  }
}

Result<void> KnownPages::put(const Slot& slot) {
  Slot* place = slot_of(slot.tag);
  if (place->pack != 0) {
    const Pack& holder = packs_[place->pack - 1];
    if (holder.bytes == 0 || !holder.is_offered) {
      *place = slot;  // that one was given up, or has gone
    }
    return {};
  }
  if (2 * (used_ + 1) > table_.size()) {
    if (used_ >= kMostPages) {
      return {};
    }
    IMG_TRY(make_room(table_.size() * 2));
    place = slot_of(slot.tag);
  }
  *place = slot;
  ++used_;
  return {};
}

Result<void> KnownPages::make_room(std::uint64_t slots) {
  ScratchArray<Slot> before = std::exchange(table_, {});
  IMG_TRY(table_.allot(slots));
  for (const Slot& slot : before.values()) {
    if (slot.pack != 0) {
      *slot_of(slot.tag) = slot;
    }
  }
  return {};
}

bool KnownPages::is_same(std::uint32_t index, std::uint64_t offset, Bytes page) {
  Pack& pack = packs_[index];
  if (!pack.is_offered || offset % page.size() != 0 || offset > pack.bytes ||
      page.size() > pack.bytes - offset) {
    return false;
  }
  if (pack.writer != nullptr) {
    read_back_.resize(page.size());
    return pack.writer->read_back(offset, read_back_).has_value() &&
           std::memcmp(read_back_.data(), page.data(), page.size()) == 0;
  }
  if (pack.reader == nullptr) {
    auto reader = store_->pack(pack.id, pack.bytes);
    if (!reader) {
      pack.is_offered = false;
      return false;
    }
    pack.reader = std::move(*reader);
  }
  const auto there = pack.reader->bytes(offset, page.size());
  return there && std::memcmp(there->data(), page.data(), page.size()) == 0;
}

std::optional<KnownPages::Place> KnownPages::find(std::uint64_t tag, Bytes page) {
  const std::lock_guard lock(mutex_);
  const Slot& slot = *slot_of(tag);
  if (slot.pack == 0 || !is_same(slot.pack - 1, slot.block * kBlockBytes, page)) {
    return std::nullopt;
  }
  return Place{slot.pack - 1, slot.block * kBlockBytes};
}

bool KnownPages::is_at(const Place& place, Bytes page) {
  const std::lock_guard lock(mutex_);
  return packs_[place.pack].writer == nullptr && is_same(place.pack, place.offset, page);
}

Result<void> KnownPages::add(std::uint64_t tag, std::uint64_t offset, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  IMG_ASSERT(!packs_.empty() && packs_.back().writer != nullptr);
  packs_.back().bytes = std::max(packs_.back().bytes, offset + bytes);
  return put({tag, static_cast<std::uint32_t>(packs_.size()),
              static_cast<std::uint32_t>(offset / kBlockBytes)});
}

}  // namespace img::store
