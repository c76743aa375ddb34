// SPDX-License-Identifier: MIT
// What is left of a dump, looked for below a root directory, and removed only as long as it still
// is what the image means. No name leads out of there, and no link is followed.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"
#include "libimg/gc/left_files.h"
#include "libimg/gc/mount_yard.h"

namespace img::gc {

struct FoundFile {
  LeftFile file;
  enum class State {
    there,
    missing,     // or its file system is no more
    other,       // `why` it is not what the image means
    unreachable  // `why` nobody can say where it would be
  };
  State state = State::missing;
  std::string why;
  std::string place;  // its path here; empty: none
  std::uint64_t bytes = 0;
  dev_t device = 0;
  ino_t inode = 0;
};

class LeftRoot {
 public:
  /// Paths are as they are below `root`: of a tree without a mount namespace of its own, or of one
  /// that lives, seen through the root directory of a process in it.
  [[nodiscard]] static Result<LeftRoot> open(const std::string& root);
  /// Paths are of a mount namespace that has ended; `root` is what was mounted at its "/".
  [[nodiscard]] static Result<LeftRoot> rebuild(model::ImageReader& image, const std::string& root);

  [[nodiscard]] Result<FoundFile> look(const LeftFile& file) const;
  /// False: it is another by now, or gone.
  [[nodiscard]] Result<bool> remove(const FoundFile& found) const;

 private:
  LeftRoot(UniqueFd root, std::string place) : root_(std::move(root)), place_(std::move(place)) {}
  [[nodiscard]] Result<Way> way_to(const LeftFile& file) const;
  [[nodiscard]] Result<UniqueFd> open_parent(const Way& way) const;

  UniqueFd root_;
  std::string place_;
  std::optional<MountYard> yard_;
};

}  // namespace img::gc
