// SPDX-License-Identifier: MIT
// What can be done to images that are there. Each change is one commit.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "libimg/base/result.h"
#include "libimg/store/catalogue.h"

namespace img::store {

/// Fault::conflict if `to` is taken.
[[nodiscard]] Result<void> rename_image(const Store& store, std::string_view from,
                                        std::string_view to);
[[nodiscard]] Result<void> pin_image(const Store& store, std::string_view name, bool pinned);
/// Hides the image at once, then removes its records in bounded transactions; files of
/// packs are left to gc. Fault::conflict if it is pinned, or if another image needs it.
[[nodiscard]] Result<void> delete_image(const Store& store, std::string_view name);
/// Removes what there is of pending images, in as few transactions as are bounded; the caller knows
/// that their writers are dead. One that is not pending any more is left alone.
[[nodiscard]] Result<void> purge_pending(const Store& store,
                                         std::span<const std::uint64_t> commits);
[[nodiscard]] Result<void> purge_pending(const Store& store, std::uint64_t commit);

// Parts of larger commits.

/// Makes an image one that is being removed: no reader that begins later sees it.
[[nodiscard]] Result<void> hide_image(WriteTxn& txn, const ImageRow& row);
[[nodiscard]] Result<void> put_name(WriteTxn& txn, std::string_view name, const Id& image,
                                    std::uint64_t commit, bool pinned);

}  // namespace img::store
