// SPDX-License-Identifier: MIT
// Where the pages of one page map of a parent lie. Only records are read, never the pages.
#pragma once

#include <cstdint>
#include <vector>

#include "libimg/model/record.h"
#include "libimg/store/image_view.h"
#include "schema/pagemap_generated.h"

namespace img::gc {

/// Pages that follow each other in memory, and in a pack if they are present.
struct Piece {
  std::uint64_t page = 0;
  std::uint64_t pages = 0;
  bool is_present = false;  // else the parent has them
  store::Id pack;
  std::uint64_t offset = 0;

  [[nodiscard]] std::uint64_t end() const { return page + pages; }
};

class Ancestor {
 public:
  Ancestor(std::shared_ptr<const store::Store> store, store::Snapshot now,
           const store::ImageRow& row)
      : view_(std::move(store), std::move(now), row) {}

  [[nodiscard]] const store::ImageView& view() const { return view_; }

  /// Turns to this page map. Fault::corrupt if its entries do not ascend.
  [[nodiscard]] Result<void> turn_to(model::FileKey pagemap);
  /// The pages [page, page + pages), ascending. Fault::corrupt if it does not have all of them.
  [[nodiscard]] Result<void> find(std::uint64_t page, std::uint64_t pages,
                                  std::vector<Piece>& found);

 private:
  struct Chunk {
    std::uint64_t seq = 0;
    std::uint64_t end = 0;  // the page after its last
  };
  [[nodiscard]] Result<void> load(std::uint64_t seq);
  [[nodiscard]] Failure lacks(std::uint64_t page) const;

  store::ImageView view_;
  model::FileKey file_;
  std::vector<Chunk> chunks_;
  std::uint64_t loaded_ = 0;  // the chunk whose pieces these are
  std::vector<Piece> pieces_;
};

/// All pieces of one chunk, with the entries that they are of.
struct ChunkEntry {
  const schema::PagemapEntry* entry = nullptr;
  std::size_t first_piece = 0;
  std::size_t pieces = 0;
};
[[nodiscard]] Result<void> read_chunk(const store::ImageView& image,
                                      const store::StoredRecord& chunk,
                                      std::vector<ChunkEntry>& entries, std::vector<Piece>& pieces);

}  // namespace img::gc
