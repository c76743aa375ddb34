// SPDX-License-Identifier: MIT
// The mounts of this process, and copies of single ones that nobody else sees: a copy has nothing
// mounted over it, is in no mount namespace, and ends with its descriptor.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"
#include "libimg/gc/dumped_mounts.h"

namespace img::gc {

struct HostMount {
  std::uint64_t id = 0;
  Device device;
  std::string root;
  std::string point;
  std::string source;
};

/// /proc/self/mountinfo, in its order.
[[nodiscard]] Result<std::vector<HostMount>> read_host_mounts();
/// The number of the mount that an open file is on.
[[nodiscard]] Result<std::uint64_t> mount_id_of(int fd, const std::string& thing);

/// A copy of the mount that `folder` is on, from there, that can be written to unless its file
/// system cannot. Where this user may not copy mounts: the folder itself, as it is.
[[nodiscard]] UniqueFd copy_of_mount(UniqueFd folder);

}  // namespace img::gc
