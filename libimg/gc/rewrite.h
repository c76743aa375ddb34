// SPDX-License-Identifier: MIT
// A pack of which little is alive: what is goes into a new one, block by block, and the records of
// the images that use it are turned to that. Then the old one has no user.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "libimg/base/result.h"
#include "libimg/store/store.h"

namespace img::gc {

/// Bytes of the new pack. Nothing: it is left as it is, since a writer has come to use it or a
/// block of it is damaged (which must not get a new, true hash).
[[nodiscard]] Result<std::optional<std::uint64_t>> rewrite_pack(
    const std::shared_ptr<const store::Store>& store, const store::Id& pack);

}  // namespace img::gc
