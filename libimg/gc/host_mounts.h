// SPDX-License-Identifier: MIT
// The mounts of this process, and copies of single ones that nobody else sees: a copy has nothing
// mounted over it, is in no mount namespace, and ends with its descriptor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libimg/base/mountinfo.h"
#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"

namespace img::gc {

/// /proc/self/mountinfo, in its order.
[[nodiscard]] Result<std::vector<Mount>> read_host_mounts();
/// The number of the mount that an open file is on.
[[nodiscard]] Result<std::int32_t> mount_id_of(int fd, const std::string& thing);

/// A copy of the mount that `folder` is on, from there, that can be written to unless its file
/// system cannot. Where this user may not copy mounts: the folder itself, as it is.
[[nodiscard]] UniqueFd copy_of_mount(UniqueFd folder);

}  // namespace img::gc
