// SPDX-License-Identifier: MIT
// Images into a store: one for each level of a chain, those that it has already left out.
#pragma once

#include "libimg/convert/convert.h"
#include "libimg/convert/level_digest.h"
#include "libimg/model/record.h"
#include "libimg/store/pending_image.h"

namespace img::convert {

/// Where an image stands in the chain it comes with.
struct LevelOf {
  const LevelDigest& digest;
  std::size_t level = 1;
  std::size_t levels = 1;
};

/// Levels oldest first. A level below the newest that the store has already (the same digest, the
/// same parent) is not stored again. After an error an existing store has what it had before, a new
/// one is not there.
[[nodiscard]] Result<Outcome> write_store(const std::vector<model::ImageReader*>& levels,
                                          const Destination& destination, const Options& options);

/// The same into a store that is there. With `reuse_newest`, a newest level that the store has is
/// not stored again either.
[[nodiscard]] Result<Outcome> write_levels(const std::shared_ptr<const store::Store>& store,
                                           const std::vector<model::ImageReader*>& levels,
                                           const Options& options, bool reuse_newest);

/// One image; `draft` says all about it but its provenance, which tells level `level` of `levels`.
[[nodiscard]] Result<Made> write_image(const std::shared_ptr<const store::Store>& store,
                                       model::ImageReader& image, store::HeaderDraft& draft,
                                       store::NameTaken taken, const LevelOf& level,
                                       const Options& options);

}  // namespace img::convert
