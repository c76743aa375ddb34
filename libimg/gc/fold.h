// SPDX-License-Identifier: MIT
// An image that takes over from parents that go what it needs of their memory. Only records change:
// the bytes stay where they are, in packs that it then uses too. Its id, number and name stay.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "libimg/base/result.h"
#include "libimg/store/catalogue.h"
#include "libimg/store/store.h"

namespace img::gc {

/// An image, and the ancestor that it will have afterwards; all between them go.
struct Fold {
  store::Id image;
  std::optional<store::Id> parent;
};

/// How many bytes of which packs the image would take over. Fault::corrupt where its memory is not
/// as it should be; then its parents have to stay.
[[nodiscard]] Result<std::map<store::Id, std::uint64_t>> weigh_fold(
    const std::shared_ptr<const store::Store>& store, const store::Snapshot& now, const Fold& fold);

/// One commit for each pagemap, and a last one that lets go of the parent; between any two the
/// image reads as before.
[[nodiscard]] Result<void> apply_fold(const std::shared_ptr<const store::Store>& store,
                                      const Fold& fold);

}  // namespace img::gc
