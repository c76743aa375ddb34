// SPDX-License-Identifier: MIT
// Whether what is in a cgroup can run. Finds no groups: the folder is the caller's.
#pragma once

namespace img::procfs {

/// By the group's own doing or that of one above it, of a v1 freezer hierarchy or of v2; false for
/// groups of other hierarchies. `folder` may be O_PATH.
[[nodiscard]] bool is_frozen_group(int folder);

}  // namespace img::procfs
