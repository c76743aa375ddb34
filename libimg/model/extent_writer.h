// SPDX-License-Identifier: MIT
// Which page of a chunk is at which place of a pack, put together from what the page map says and
// where the bytes went.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <vector>

#include "libimg/model/record.h"
#include "libimg/store/pending_image.h"
#include "schema/pack_generated.h"

namespace img::model {

class ExtentWriter {
 public:
  /// `record`: a PagemapChunk whose present entries have as many bytes as will be added.
  ExtentWriter(store::PendingImage& image, const Record& record,
               flatbuffers::FlatBufferBuilder& builder);

  /// The next bytes of the chunk's memory.
  [[nodiscard]] Result<void> add(store::StoredRun run);
  [[nodiscard]] Result<void> finish();

 private:
  void next_entry();
  [[nodiscard]] Result<void> add_extent(const schema::Extent& extent);
  [[nodiscard]] Result<void> put();

  store::PendingImage& image_;
  RecordKey key_;
  const schema::PagemapChunk& chunk_;
  std::uint64_t page_size_;
  flatbuffers::FlatBufferBuilder& builder_;
  flatbuffers::uoffset_t entry_ = 0;  // that comes next
  std::uint64_t page_ = 0;            // of the entry at hand, the next
  std::uint64_t pages_left_ = 0;
  std::vector<schema::Extent> extents_;
  std::uint64_t part_ = 0;
};

}  // namespace img::model
