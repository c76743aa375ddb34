// SPDX-License-Identifier: MIT
// Onto stable storage, several files at once: the disk is made to write out its cache once for all
// of them, not once for each.
#pragma once

#include <span>
#include <string>

#include "libimg/base/result.h"

namespace img {

/// Files and directories by their descriptors; `thing` for errors.
[[nodiscard]] Result<void> sync_files(std::span<const int> files, const std::string& thing);

/// Everything below a directory, and itself. Of many files the whole file system is synced, which
/// may have to wait for what others have written to it.
[[nodiscard]] Result<void> sync_tree(int directory, const std::string& thing);

}  // namespace img
