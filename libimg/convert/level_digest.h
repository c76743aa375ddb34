// SPDX-License-Identifier: MIT
// What a level of a chain is known by when it comes again, and what is kept of its origin.
#pragma once

#include "libimg/model/record.h"
#include "libimg/store/id.h"

namespace img::convert {

/// Made before a level is read: what is read after that is not read again for the digest.
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
};

}  // namespace img::convert
