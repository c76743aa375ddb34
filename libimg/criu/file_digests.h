// SPDX-License-Identifier: MIT
// Hashes of the files of an image, taken while they are read anyway. For several threads at once.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "libimg/base/digest.h"

namespace img::criu {

struct FileDigest {
  std::uint64_t size = 0;
  Hash128 hash;

  [[nodiscard]] static FileDigest of(Bytes bytes) { return {bytes.size(), hash128(bytes)}; }
};

class FileDigests {
 public:
  /// Before this, note() does nothing.
  void keep() { keeps_ = true; }

  /// `bytes` are all of the file.
  void note(const std::string& name, Bytes bytes) {
    if (!keeps_) {
      return;
    }
    const FileDigest digest = FileDigest::of(bytes);
    const std::lock_guard lock(mutex_);
    known_.emplace(name, digest);
  }

  [[nodiscard]] std::optional<FileDigest> find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(name);
    return found == known_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  std::atomic<bool> keeps_ = false;
  std::mutex mutex_;
  std::unordered_map<std::string, FileDigest> known_;
};

}  // namespace img::criu
