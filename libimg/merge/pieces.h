// SPDX-License-Identifier: MIT
// Which bytes of an address space are where: found level by level.
#pragma once

#include <memory>
#include <vector>

#include "libimg/base/scratch_array.h"
#include "libimg/model/pagemap.h"
#include "libimg/model/payload_cursor.h"
#include "libimg/model/record.h"

namespace img::merge {

struct Piece {
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
  const std::byte* memory = nullptr;  // null: the entry says neither present nor in the parent
  std::uint32_t flags = 0;

  [[nodiscard]] std::uint64_t end() const { return address + bytes; }
};

class Pieces {
 public:
  Pieces(model::FileKey pagemap, std::uint32_t page_size)
      : pagemap_(pagemap), page_size_(page_size) {}

  /// What there is, and what of it is wanted of the ancestors.
  [[nodiscard]] Result<void> begin(model::ImageReader& newest);
  [[nodiscard]] bool is_complete() const { return wanted_.empty(); }
  /// The next older level answers.
  [[nodiscard]] Result<void> ask(model::ImageReader& level);
  /// No level is left.
  [[nodiscard]] Result<void> check_complete(const model::ImageReader& newest) const;

  /// All of them, ascending; memory is valid as long as this.
  [[nodiscard]] std::span<const Piece> ascending();
  /// Whether the newest page map counts pages in `nr_pages`, and has `flags`.
  [[nodiscard]] bool has_nr_pages() const { return has_nr_pages_; }
  [[nodiscard]] bool has_flags() const { return has_flags_; }

 private:
  class Newest;
  class Ancestor;

  [[nodiscard]] Result<void> add_memory(std::uint64_t address, std::uint64_t bytes,
                                        std::uint32_t flags, model::PayloadCursor& from);

  model::FileKey pagemap_;
  std::uint32_t page_size_;
  ScratchArray<Piece> known_;
  ScratchArray<Piece> wanted_;  // ascending
  ScratchArray<Piece> left_;    // of them, by the level that is being asked
  std::vector<std::shared_ptr<const void>> holds_;
  bool has_nr_pages_ = true;
  bool has_flags_ = true;
};

}  // namespace img::merge
