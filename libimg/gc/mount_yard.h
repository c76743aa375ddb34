// SPDX-License-Identifier: MIT
// The mounts of a dumped tree, made again one at a time for whoever looks for a file in them. A
// mount is a file system and a folder in it, so the file's place is that folder and the rest of its
// path: nothing is attached anywhere, and what was mounted over it, then or now, does not matter.
//
// Which file system it was is never guessed. It is the one below the given root directory; or of a
// disk that is mounted here, known by number and source; or what is still mounted where the dump
// found it, outside or below the root directory. The number alone of others (tmpfs, overlay, NFS)
// says nothing: it is given out again and again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"
#include "libimg/gc/dumped_mounts.h"
#include "libimg/gc/host_mounts.h"

namespace img::gc {

/// A folder of a file system to start from, and the rest of the way in it.
struct Way {
  enum class Kind {
    open,        // `from` is it
    gone,        // it was in memory, or has been removed
    unreachable  // `why` it cannot be said where it is
  };
  Kind kind = Kind::unreachable;
  std::string why;
  UniqueFd from;
  std::string rest;   // relative, of plain parts
  std::string place;  // how a person would find `from` here
};

class MountYard {
 public:
  [[nodiscard]] static Result<MountYard> open(model::ImageReader& image, const std::string& root);

  /// The way to an absolute path of plain parts. Missing files are not its business.
  [[nodiscard]] Result<Way> way_to(const std::string& path, std::optional<std::int32_t> id) const;

 private:
  struct Start {
    std::string folder;  // here
    std::int32_t mount = 0;
    std::string rest;
  };
  [[nodiscard]] std::optional<Start> below_root(const DumpedMount& mount,
                                                const std::string& inside) const;
  [[nodiscard]] std::optional<Start> at_its_place(const DumpedMount& mount,
                                                  const std::string& inside) const;
  [[nodiscard]] std::optional<Start> at_its_source(const DumpedMount& mount,
                                                   const std::string& inside) const;
  [[nodiscard]] std::vector<Start> on_disk(const DumpedMount& mount,
                                           const std::string& inside) const;
  [[nodiscard]] bool is_same_system(const DumpedMount& mount, const Mount& here) const;

  DumpedMounts dumped_;
  std::vector<Mount> host_;
  std::string root_;  // without links
  std::int32_t root_mount_ = 0;
};

}  // namespace img::gc
