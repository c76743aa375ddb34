// SPDX-License-Identifier: MIT
// What inotify and fanotify watch. It is known by its file handle; a path is found through that,
// since handles and inode numbers do not outlive every file system.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "live/dump/files/file_bench.h"

namespace img::dump {

struct WatchedFile {
  std::string path;        // empty: it has none
  bool opened = false;     // the handle leads to the file
  bool in_memory = false;  // of a file system whose inodes do not outlive it

  [[nodiscard]] bool can_be_found_again() const { return !path.empty() || (opened && !in_memory); }
};

/// `device`: st_dev as the kernel has it.
[[nodiscard]] Result<WatchedFile> find_watched(FileBench& bench, const procfs::FileHandle& handle,
                                               std::uint32_t device, std::uint64_t inode);
[[nodiscard]] flatbuffers::Offset<schema::FhEntry> handle_entry(
    flatbuffers::FlatBufferBuilder& builder, const procfs::FileHandle& handle,
    const std::string& path);

/// The paths of all that `file` watches, each found by `find`, and a note where it holds events;
/// nothing, and the file is refused, where one could not be found again.
template <class Watches, class Find>
[[nodiscard]] Result<std::optional<std::vector<std::string>>> watched_paths(FileBench& bench,
                                                                            const OpenFile& file,
                                                                            const Watches& watches,
                                                                            Find find) {
  std::vector<std::string> paths;
  for (const auto& watch : watches) {
    IMG_ASSIGN(WatchedFile found, find(watch));
    if (!found.can_be_found_again()) {
      bench.refuse(file, state::Piece::inotify_no_path);
      return std::nullopt;
    }
    paths.push_back(std::move(found.path));
  }
  if (file.has_unread()) {
    bench.lose(file, state::Piece::inotify_events);
  }
  return paths;
}

}  // namespace img::dump
