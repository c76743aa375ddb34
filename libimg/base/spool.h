// SPDX-License-Identifier: MIT
// Bytes whose number is not known before they have come, and may be too many for the heap: small
// amounts are kept in memory, large ones in a file without a name.
#pragma once

#include <vector>

#include "libimg/base/byte_sink.h"
#include "libimg/base/mapped_file.h"
#include "libimg/base/unique_fd.h"

namespace img {

/// Where such files are made when nobody says: $TMPDIR, else /tmp.
[[nodiscard]] std::string temporary_directory();
/// A file there that has no name and is gone when it is closed.
[[nodiscard]] Result<UniqueFd> nameless_file(const std::string& directory);

/// For what may be as large as an image: $TMPDIR, else /var/tmp, else /tmp.
[[nodiscard]] Result<UniqueFd> large_nameless_file();

class Spool final : public ByteSink {
 public:
  static constexpr std::size_t kInMemory = std::size_t{1} << 20;

  explicit Spool(std::string directory) : directory_(std::move(directory)) {}

  /// Empty again; a file, if there was one, is gone.
  void clear();
  [[nodiscard]] Result<void> write(Bytes bytes) override;
  [[nodiscard]] std::uint64_t size() const { return in_file_ + memory_.size(); }
  /// All of it; valid until the next write() or clear().
  [[nodiscard]] Result<Bytes> bytes();

 private:
  [[nodiscard]] Result<void> spill();

  std::string directory_;
  std::vector<std::byte> memory_;  // what is not in the file yet
  UniqueFd file_;
  std::uint64_t in_file_ = 0;
  MappedFile mapped_;
};

}  // namespace img
