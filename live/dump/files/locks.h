// SPDX-License-Identifier: MIT
// File locks: fdinfo names, under each descriptor, those that it stands for.
#pragma once

#include <set>
#include <tuple>

#include "live/dump/files/file_bench.h"

namespace img::dump {

class FileLocks {
 public:
  explicit FileLocks(FileBench& bench) : bench_(bench) {}
  /// `is_new`: the first descriptor of its open file. Locks of an open file are told once; those of
  /// a process, once for each table of descriptors.
  void add(const OpenFile& file, bool is_new, std::uint32_t files_id);

 private:
  using PosixLock = std::tuple<std::uint32_t, std::uint64_t, std::uint64_t, std::uint64_t>;
  void add_record(const OpenFile& file, const procfs::FileLock& lock, std::uint32_t kind);

  FileBench& bench_;
  std::set<PosixLock> seen_;  // files_id, device, inode, start: locks of one owner never overlap
};

}  // namespace img::dump
