// SPDX-License-Identifier: MIT
// What a dump or a failed restore has left on file systems, as an image names it: link remaps, and
// the files of ghosts. Where they are is for left_root.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/model/record.h"

namespace img::gc {

struct LeftFile {
  enum class Kind {
    link,   // link_remap.N, a second name of a file that had lost its own
    ghost,  // NAME.cr.N.ghost, a copy of a deleted file that a restore had not removed yet
  };
  Kind kind = Kind::link;
  std::string path;      // in the mount namespace of the tree
  std::string original;  // the name that was lost
  std::uint32_t id = 0;  // N
  // What the image says of the file; nothing where it does not.
  std::optional<std::int32_t> mount;  // that its path is in
  std::optional<std::uint64_t> size;
  std::optional<std::uint32_t> mode;
};

/// Those that an image names. Fault::corrupt for a name that is not what CRIU makes.
[[nodiscard]] Result<std::vector<LeftFile>> left_files(model::ImageReader& image);
/// Whether the tree had a mount namespace of its own, so that its paths are not ours.
[[nodiscard]] Result<bool> has_own_mounts(model::ImageReader& image);

}  // namespace img::gc
