// SPDX-License-Identifier: MIT
// What a dump or a failed restore has left on file systems: the link remaps that an image names,
// and the files of its ghosts. Looked for below a root directory, and removed only as long as they
// are still what the image means.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"
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
  std::optional<std::uint64_t> size;
  std::optional<std::uint32_t> mode;
};

/// Those that an image names. Fault::corrupt for a name that is not what CRIU makes.
[[nodiscard]] Result<std::vector<LeftFile>> left_files(model::ImageReader& image);
/// Whether the tree had a mount namespace of its own, so that its paths are not ours.
[[nodiscard]] Result<bool> has_own_mounts(model::ImageReader& image);

struct FoundFile {
  LeftFile file;
  enum class State { there, missing, other };
  State state = State::missing;
  std::string why;  // of `other`
  std::uint64_t bytes = 0;
  dev_t device = 0;
  ino_t inode = 0;
};

/// A root directory, below which no name leads out and no link is followed.
class LeftRoot {
 public:
  [[nodiscard]] static Result<LeftRoot> open(const std::string& root);

  [[nodiscard]] Result<FoundFile> look(const LeftFile& file) const;
  /// False: it is another by now, or gone.
  [[nodiscard]] Result<bool> remove(const FoundFile& found) const;

 private:
  LeftRoot(UniqueFd root, std::string place) : root_(std::move(root)), place_(std::move(place)) {}
  [[nodiscard]] Result<UniqueFd> open_parent(const std::string& path) const;

  UniqueFd root_;
  std::string place_;
};

}  // namespace img::gc
