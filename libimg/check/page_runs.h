// SPDX-License-Identifier: MIT
// PGM-2, PGM-8: the entries of one page map, one after the other.
#pragma once

#include <functional>

#include "libimg/check/facts.h"
#include "libimg/model/pagemap.h"

namespace img::check {

class PageRuns {
 public:
  using Visit = std::function<void(const model::PageRun&, std::uint64_t entry)>;

  void begin(Facts& facts, FileKey file);
  /// Judges the entries of a PagemapChunk and shows those that make sense, in order. What parents
  /// must have is noted in Facts::in_parent.
  void chunk(const Record& record, const Visit& visit);

 private:
  void judge(const schema::PagemapEntry& entry, const Visit& visit);

  Facts* facts_ = nullptr;
  FileKey file_;
  std::uint64_t entry_ = 1;  // the head is 1
  std::uint64_t last_end_ = 0;
};

}  // namespace img::check
