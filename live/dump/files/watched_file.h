// SPDX-License-Identifier: MIT
// What inotify and fanotify watch. It is known by its file handle; a path is found through that,
// since handles and inode numbers do not outlive every file system.
#pragma once

#include <string>

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

}  // namespace img::dump
