// SPDX-License-Identifier: MIT
// Room for what follows records until they are written: what is in pipes, sockets, deleted files.
// It is shared memory and mappings of files, so it is no weight on this process's own memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "libimg/base/bytes.h"
#include "libimg/base/mapped_file.h"
#include "libimg/base/result.h"

namespace img::dump {

class PayloadMemory {
 public:
  PayloadMemory() = default;
  PayloadMemory(const PayloadMemory&) = delete;
  ~PayloadMemory();

  /// Zeros, valid as long as this.
  [[nodiscard]] Result<std::span<std::byte>> room(std::size_t bytes);
  /// Gives back the end of what room() returned last.
  void shrink(std::span<std::byte> last, std::size_t used);
  /// The first `bytes` bytes of a file.
  [[nodiscard]] Result<Bytes> map(int fd, std::uint64_t bytes, const std::string& name);

 private:
  struct Region {
    std::byte* start = nullptr;
    std::size_t bytes = 0;
  };
  std::vector<Region> regions_;
  std::vector<MappedFile> files_;
  std::byte* next_ = nullptr;
  std::size_t left_ = 0;
};

}  // namespace img::dump
