// SPDX-License-Identifier: MIT
// What a level of a chain is known by when it comes again, and what is kept of its origin.
#pragma once

#include <future>

#include "libimg/model/record.h"
#include "libimg/store/id.h"

namespace img::convert {

/// Begins to read the level's bytes at once, in a thread of its own; get() and provenance() wait.
class LevelDigest {
 public:
  explicit LevelDigest(model::ImageReader& image);

  /// Zero for what is no foreign image: that has an id of its own.
  [[nodiscard]] Result<store::Id> get() const;
  /// The header's, with what this import knows; lives in `builder`.
  [[nodiscard]] Result<const schema::Provenance*> provenance(
      flatbuffers::FlatBufferBuilder& builder, std::size_t level, std::size_t levels) const;

 private:
  model::ImageReader& image_;
  std::shared_future<Result<store::Id>> digest_;
};

}  // namespace img::convert
