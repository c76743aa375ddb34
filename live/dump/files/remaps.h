// SPDX-License-Identifier: MIT
// Open files that have lost their name: what stands in for it in the image. Content goes along
// (ghost), a new link is made beside the old name, or a process that has ended is named.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "live/dump/files/file_bench.h"
#include "schema/remaps_generated.h"

namespace img::dump {

class Remaps {
 public:
  explicit Remaps(FileBench& bench) : bench_(bench) {}
  Remaps(const Remaps&) = delete;

  /// The path to record for `file`, whose id is `id`; empty where it is refused.
  [[nodiscard]] Result<std::string> path_for(const OpenFile& file, std::uint32_t id);

 private:
  [[nodiscard]] Result<bool> is_mounted_here(const OpenFile& file);
  [[nodiscard]] Result<std::string> in_proc(const OpenFile& file, std::uint32_t id);
  [[nodiscard]] Result<void> add_ghost(const OpenFile& file, std::uint32_t id);
  [[nodiscard]] Result<void> add_link(const OpenFile& file, std::uint32_t id,
                                      const std::string& path);
  void add_remap(std::uint32_t id, std::uint32_t stand_in, schema::RemapType type);

  FileBench& bench_;
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint32_t> known_ghosts_;
};

/// The records of one deleted file.
[[nodiscard]] Result<void> add_ghost_file(const OpenFile& file, std::uint32_t id, FileBench& bench);

}  // namespace img::dump
