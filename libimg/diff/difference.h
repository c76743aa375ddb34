// SPDX-License-Identifier: MIT
// Two images, and what is different between them, told piece by piece.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libimg/model/record.h"

namespace img::diff {

enum class Change : std::uint8_t { added, gone, changed };

struct FieldChange {
  std::string field;
  std::string before;  // empty: not there
  std::string after;
};

enum class Section : std::uint8_t { processes, descriptors, sockets, mappings, records };

/// One thing that is different.
struct Item {
  Change change = Change::changed;
  std::uint32_t pid = 0;                 // 0: of no process
  std::string what;                      // "66 redis-server", "fd 3", "core-66.img"
  std::string words;                     // what a person knows it by, now or before
  std::vector<FieldChange> fields = {};  // of a changed one; at most kMostFields
  std::uint64_t more_fields = 0;
};
inline constexpr std::size_t kMostFields = 64;

/// Pages.
struct PageCounts {
  std::uint64_t same = 0;
  std::uint64_t changed = 0;
  std::uint64_t added = 0;
  std::uint64_t gone = 0;

  [[nodiscard]] std::uint64_t different() const { return changed + added + gone; }
};

/// Part of an address space whose pages are all different in the same way.
struct PageRange {
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
  Change change = Change::changed;
};

/// A mapping that has different pages.
struct PagePlace {
  std::uint64_t start = 0;
  std::uint64_t end = 0;  // 0: in no mapping
  std::string words;
  PageCounts pages;
};

/// One page map.
struct PageItem {
  model::FileKey file;
  std::string what;  // "66 redis-server", "shared memory 9"
  PageCounts pages;
  std::vector<PagePlace> places;
};

class Sink {
 public:
  virtual ~Sink() = default;
  /// Of one section after the other, in their order; pages come last.
  virtual void item(Section section, const Item& item) = 0;
  /// Before page(): ascending.
  virtual void range(model::FileKey file, const PageRange& range) = 0;
  /// Each page map that has different pages.
  virtual void page(const PageItem& item) = 0;
};

struct Summary {
  std::uint64_t items = 0;
  std::uint32_t page_size = 4096;
  PageCounts pages;

  [[nodiscard]] bool is_same() const { return items == 0 && pages.different() == 0; }
};

/// An error: one of the two cannot be read.
[[nodiscard]] Result<Summary> compare(model::ImageReader& before, model::ImageReader& after,
                                      Sink& sink);

}  // namespace img::diff
