// SPDX-License-Identifier: MIT
// A file, mapped for reading.
#pragma once

#include <cstdint>
#include <string>

#include "libimg/base/bytes.h"
#include "libimg/base/mapping_guard.h"
#include "libimg/base/result.h"

namespace img {

class MappedFile {
 public:
  MappedFile() = default;
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  /// The first `size` bytes of a regular file; `fd` may be closed afterwards. `name` is for
  /// messages. A size of 0 gives an empty view.
  [[nodiscard]] static Result<MappedFile> map(int fd, std::uint64_t size, const std::string& name);

  [[nodiscard]] Bytes bytes() const { return {begin_, size_}; }

 private:
  void unmap();
  const std::byte* begin_ = nullptr;
  std::size_t size_ = 0;
  MappingGuard guard_;
};

}  // namespace img
