// SPDX-License-Identifier: MIT
#include "libimg/store/mapped_packs.h"

namespace img::store {

Result<std::shared_ptr<const PackReader>> MappedPacks::open(int packs, const Id& id,
                                                            std::uint64_t bytes,
                                                            const std::string& place) {
  const std::lock_guard lock(mutex_);
  if (const auto known = by_id_.find(id); known != by_id_.end()) {
    if (auto reader = known->second.lock(); reader != nullptr && reader->size() == bytes) {
      return reader;
    }
  }
  IMG_ASSIGN(PackReader opened, PackReader::open(packs, id, bytes, place));
  const auto reader = std::make_shared<const PackReader>(std::move(opened));
  // What ended and was mapped where this one is now is forgotten with it.
  std::erase_if(by_address_, [](const auto& entry) { return entry.second.reader.expired(); });
  by_id_[id] = reader;
  if (reader->size() != 0) {
    IMG_ASSIGN(const Bytes all, reader->bytes(0, reader->size()));
    by_address_[all.data()] = {id, reader};
  }
  return reader;
}

std::optional<MappedPacks::Place> MappedPacks::find(Bytes bytes) const {
  const std::lock_guard lock(mutex_);
  auto after = by_address_.upper_bound(bytes.data());
  if (bytes.empty() || after == by_address_.begin()) {
    return std::nullopt;
  }
  const auto& [begin, mapped] = *std::prev(after);
  const auto reader = mapped.reader.lock();
  const auto offset = static_cast<std::uint64_t>(bytes.data() - begin);
  if (reader == nullptr || offset > reader->size() || bytes.size() > reader->size() - offset) {
    return std::nullopt;
  }
  return Place{mapped.id, offset};
}

}  // namespace img::store
