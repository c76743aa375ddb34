// SPDX-License-Identifier: MIT
// Which pages the packs of a store hold, by content: from their hashes, and with bytes compared
// before anyone is told. Good for several images one after the other; what one adds, the next
// finds. A table of 16 bytes a page, outside the heap.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "libimg/base/scratch_array.h"
#include "libimg/store/pack_writer.h"
#include "libimg/store/store.h"

namespace img::store {

class KnownPages {
 public:
  /// As many pages as fit 4 GiB of table are looked at, those of the newest packs first.
  static constexpr std::uint64_t kMostPages = std::uint64_t{1} << 27;

  struct Place {
    std::uint32_t pack = 0;  // as pack_id() takes it
    std::uint64_t offset = 0;
  };

  /// Of all packs that `now` knows.
  [[nodiscard]] static Result<std::unique_ptr<KnownPages>> read(std::shared_ptr<const Store> store,
                                                                const Txn& now);

  [[nodiscard]] std::vector<Id> packs() const;
  [[nodiscard]] Id pack_id(std::uint32_t pack) const { return packs_[pack].id; }

  /// An image begins, whose bytes go to `own`: of the other packs only `there` are offered.
  void begin_image(const PackWriter& own, const std::vector<Id>& there);
  /// Its pages are known from now on, in a pack of so many bytes; 0: they were never there.
  void end_image(std::uint64_t sealed);

  /// What find() and add() know a page by.
  [[nodiscard]] static std::uint64_t tag_of(Bytes page);
  /// A page with these bytes.
  [[nodiscard]] std::optional<Place> find(std::uint64_t tag, Bytes page);
  /// Whether these bytes are there.
  [[nodiscard]] bool is_at(const Place& place, Bytes page);
  /// A page of the image that is being written.
  [[nodiscard]] Result<void> add(std::uint64_t tag, std::uint64_t offset, std::uint64_t bytes);

 private:
  /// A tag is there at most once, so that no content makes a search long.
  struct Slot {
    std::uint64_t tag;
    std::uint32_t pack;  // + 1; 0: free
    std::uint32_t block;
  };
  struct Pack {
    Id id;
    std::uint64_t bytes = 0;             // that can be read
    const PackWriter* writer = nullptr;  // still growing
    bool is_offered = true;
    std::shared_ptr<const PackReader> reader;  // opened when first compared with
  };

  explicit KnownPages(std::shared_ptr<const Store> store);
  [[nodiscard]] Result<void> read_hashes(std::uint32_t pack);
  [[nodiscard]] Slot* slot_of(std::uint64_t tag);
  [[nodiscard]] Result<void> put(const Slot& slot);
  [[nodiscard]] Result<void> make_room(std::uint64_t slots);
  [[nodiscard]] bool is_same(std::uint32_t pack, std::uint64_t offset, Bytes page);

  std::shared_ptr<const Store> store_;
  std::mutex mutex_;
  std::vector<Pack> packs_;
  ScratchArray<Slot> table_;  // a power of two of them
  std::uint64_t used_ = 0;
  std::uint64_t secret_;  // so that nobody can choose pages that all fall into one place
  std::vector<std::byte> read_back_;
};

}  // namespace img::store
