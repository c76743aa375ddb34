// SPDX-License-Identifier: MIT
// Every open file of the tree, once: what descriptors, mappings, exe links and working directories
// mean. Answers with numbers (FileEntry.id); the records are in the context's buffer after
// finish().
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <memory>

#include "live/dump/dump_context.h"
#include "live/procfs/maps.h"

namespace img::dump {

enum class PathWhat { exe, cwd, root };

/// A mapping of a file.
struct MappedFile {
  const procfs::Mapping* mapping = nullptr;
  int fd = -1;                        // of /proc/PID/map_files, O_PATH unless it is a memfd
  const struct stat* stat = nullptr;  // of fd
  bool is_memfd = false;              // a memfd or shared anonymous memory, by its device
};

class FileCollector {
 public:
  explicit FileCollector(DumpContext& context);
  ~FileCollector();
  FileCollector(const FileCollector&) = delete;
  FileCollector& operator=(const FileCollector&) = delete;

  /// The id of a REG entry.
  [[nodiscard]] Result<std::uint32_t> path_file(const trace::FrozenProcess& process, PathWhat what);
  /// The id of a REG entry, or of a MEMFD one. The content of a memfd goes to the context's
  /// SharedMemory.
  [[nodiscard]] Result<std::uint32_t> mapped_file(const trace::FrozenProcess& process,
                                                  const MappedFile& file);
  /// The id of a packet socket that a descriptor seen so far leads to; 0: none.
  [[nodiscard]] std::uint32_t packet_socket(std::uint64_t inode) const;
  /// All descriptors of the table `files_id`, which `process` has: fdinfo and files entries. Once
  /// per table.
  [[nodiscard]] Result<void> descriptors(trace::FrozenProcess& process, std::uint32_t files_id);
  /// What can only be said when all files are known: remaps, queues, locks, memfd inodes.
  [[nodiscard]] Result<void> finish();

 private:
  class Work;
  std::unique_ptr<Work> work_;
};

}  // namespace img::dump
