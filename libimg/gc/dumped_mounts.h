// SPDX-License-Identifier: MIT
// The mounts that a tree had when it was dumped, as its image has them: what a path of the tree
// meant. Only what the image says; where that is now is for mount_yard.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "libimg/base/result.h"
#include "libimg/model/record.h"

namespace img::gc {

/// Of a file system: the numbers that mountinfo shows.
struct Device {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;

  /// Not of a disk: the kernel gives out these numbers again and again.
  [[nodiscard]] bool is_anonymous() const { return major == 0; }
  friend bool operator==(const Device&, const Device&) = default;
};

struct DumpedMount {
  std::uint32_t space = 0;  // the mount namespace, as its mountpoints file is numbered
  std::uint32_t id = 0;
  Device device;
  std::string root;  // what of the file system is mounted; empty: not said
  std::string point;
  std::string type;  // as mountinfo has it; empty: CRIU has not kept it
  std::string source;
  bool is_deleted = false;  // its root has no name any more
  bool in_memory = false;   // what it held ended with it, or is in the image
};

class DumpedMounts {
 public:
  [[nodiscard]] static Result<DumpedMounts> read(model::ImageReader& image);

  [[nodiscard]] bool is_empty() const { return by_id_.empty(); }
  /// The mount at "/" of the first process, or null.
  [[nodiscard]] const DumpedMount* root() const { return root_of(first_space_); }
  /// The mount that a path of the first process leads to. `id`: as the image has it, where it does.
  /// Null where that cannot be told.
  [[nodiscard]] const DumpedMount* mount_of(const std::string& path,
                                            std::optional<std::int32_t> id) const;

 private:
  [[nodiscard]] const DumpedMount* root_of(std::uint32_t space) const;

  std::map<std::uint32_t, DumpedMount> by_id_;
  std::uint32_t first_space_ = 0;
};

/// What is left of `path` below `folder`, without a slash before it; nothing if it is not there.
[[nodiscard]] std::optional<std::string> path_below(const std::string& path,
                                                    const std::string& folder);

}  // namespace img::gc
