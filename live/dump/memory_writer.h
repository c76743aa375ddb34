// SPDX-License-Identifier: MIT
// The pages of all plans on their way into a store: room is taken for all of them at once, and
// threads fill it in pieces, so that one span of memory is one run in the pack whoever copied it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "libimg/model/store_image.h"
#include "live/dump/page_plan.h"
#include "live/dump/shared_memory.h"

namespace img::dump {

/// Pages that stand together in a pack. Never of two spans.
struct Segment {
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;
  bool is_shared = false;  // what lies there is another space's, and written for that one
  bool is_cloned = false;  // as PageSpan has it
};

/// A plan with the source of its pages, and in the end their places.
struct PlacedSpace {
  PagePlan plan;
  std::unique_ptr<PageSource> source;
  std::vector<Segment> segments;         // all pages of the spans, in order
  std::vector<store::StoredRun> places;  // the same, where they were found by content
};

/// What is copied: everything, or first what a clone does not have, then the rest.
enum class Part { all, not_cloned, cloned };

class MemoryWriter {
 public:
  /// `stop`, if any: copying ends with an error once it is not 0. `copied`, if any, counts bytes.
  MemoryWriter(model::StoreImageWriter& image, std::vector<PlacedSpace>& spaces,
               const std::atomic<int>* stop, std::atomic<std::uint64_t>* copied)
      : image_(image), spaces_(spaces), stop_(stop), copied_(copied) {}

  /// A page that a child still shares with its parent (the same frame at the same address, as
  /// after fork) is kept once. Of a stopped tree, before anything in it goes on.
  [[nodiscard]] Result<void> place();
  /// Copies with up to `threads` threads, after place().
  [[nodiscard]] Result<void> copy(unsigned threads, Part part);
  /// Instead of both: content other images of the store have already is not written again.
  [[nodiscard]] Result<void> copy_deduplicated();
  /// The pagemap records.
  [[nodiscard]] Result<void> finish();

 private:
  struct Piece {
    const PageSource* source = nullptr;
    std::vector<trace::RemoteRange> ranges;
    std::uint64_t bytes = 0;
    std::uint64_t offset = 0;  // in the pack
  };
  [[nodiscard]] Result<void> find_segments(std::size_t space);
  [[nodiscard]] std::vector<Piece> pieces(Part part) const;
  [[nodiscard]] Result<void> copy_pieces(const std::vector<Piece>& pieces);
  /// After so many bytes more.
  [[nodiscard]] Result<void> go_on(std::uint64_t bytes);
  [[nodiscard]] Result<void> put_pagemap(const PlacedSpace& space, std::uint32_t pages_id);

  model::StoreImageWriter& image_;
  std::vector<PlacedSpace>& spaces_;
  const std::atomic<int>* stop_;
  std::atomic<std::uint64_t>* copied_;
  std::atomic<std::size_t> next_piece_ = 0;
  std::atomic<bool> failed_ = false;
};

/// Pages of a process; of one that may share some with a relative, they stay shared.
[[nodiscard]] std::unique_ptr<PageSource> pages_of(trace::RemoteMemory memory, bool has_relatives);
/// Pages of an object; `fd` must live as long.
[[nodiscard]] std::unique_ptr<PageSource> pages_of(int fd, std::uint64_t bytes);

}  // namespace img::dump
