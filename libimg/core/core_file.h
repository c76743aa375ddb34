// SPDX-License-Identifier: MIT
// The ELF file around notes and memory, in an empty regular file that can be written anywhere.
#pragma once

#include <functional>
#include <string>

#include "libimg/base/byte_sink.h"
#include "libimg/core/layout.h"
#include "libimg/core/packer.h"

namespace img::core {

/// Told of bytes as they are written; an error ends the writing.
using Progress = std::function<Result<void>(std::uint64_t bytes)>;

class CoreFile {
 public:
  CoreFile(int fd, std::string thing, Width width, const Layout& layout)
      : fd_(fd), thing_(std::move(thing)), width_(width), layout_(layout) {}

  /// `write_notes` puts them where they belong, at the file's position.
  [[nodiscard]] Result<void> write_notes(
      const std::function<Result<std::uint64_t>(ByteSink&)>& write_notes);
  /// After the notes. What lies under a process's own pages first.
  [[nodiscard]] Result<void> write_memory(model::ImageReader& reader, std::uint32_t pid,
                                          Backings& backings, const Progress& progress);

  /// Of the file, holes included.
  [[nodiscard]] std::uint64_t bytes() const { return memory_at_ + layout_.bytes(); }
  /// Of memory that is no hole.
  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  class Whole;
  class Own;
  class Base;

  [[nodiscard]] std::uint64_t headers_end() const;
  [[nodiscard]] Result<void> write_headers(std::uint64_t notes_at, std::uint64_t notes_bytes);
  [[nodiscard]] Result<void> put(std::uint64_t address, Bytes bytes, bool is_base);
  [[nodiscard]] Result<void> put_sparse(std::uint64_t offset, Bytes bytes);
  [[nodiscard]] Result<void> put_all(std::uint64_t offset, Bytes bytes);

  int fd_;
  std::string thing_;
  Width width_;
  const Layout& layout_;
  std::uint64_t memory_at_ = 0;
  std::uint64_t written_ = 0;
  const Progress* progress_ = nullptr;
};

}  // namespace img::core
