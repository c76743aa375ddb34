// SPDX-License-Identifier: MIT
// Finds a place for the memory of one chunk: where it is already, or in the image's own pack.
#pragma once

#include <functional>
#include <vector>

#include "libimg/store/pending_image.h"

namespace img::store {

class PagePlacer {
 public:
  using Use = std::function<Result<void>(StoredRun)>;

  /// `pages`: how many will be added.
  PagePlacer(PendingImage& image, std::uint64_t page_size, std::uint64_t pages, const Use& use);

  /// Whole pages.
  [[nodiscard]] Result<void> add(Bytes bytes);
  [[nodiscard]] Result<void> finish();

 private:
  /// Pages as they came.
  struct Pieces {
    std::vector<Bytes> parts;
    std::vector<std::uint64_t> tags;  // one for each page, or 0: known already

    void add(Bytes bytes, std::uint64_t tag);
    void clear();
  };

  [[nodiscard]] Result<void> add_page(Bytes page);
  void begin_shared(const KnownPages::Place& place, Bytes page);
  [[nodiscard]] Result<void> end_shared();
  [[nodiscard]] Result<void> write_new();

  PendingImage& image_;
  std::uint64_t page_size_;
  std::uint64_t shortest_;  // run worth sharing, in pages
  const Use& use_;
  Pieces new_;     // not placed yet
  Pieces shared_;  // come after them, and are found at:
  KnownPages::Place place_;
  std::uint64_t shared_bytes_ = 0;
};

}  // namespace img::store
