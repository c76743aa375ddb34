// SPDX-License-Identifier: MIT
// ELF notes on their way to a sink.
#pragma once

#include <string_view>

#include "libimg/base/byte_sink.h"

namespace img::core {

class NoteWriter {
 public:
  explicit NoteWriter(ByteSink& to) : to_(to) {}

  [[nodiscard]] Result<void> note(std::string_view name, std::uint32_t type, Bytes content);
  /// For content too long to be made at once: begin(), add() of `size` bytes together, end().
  [[nodiscard]] Result<void> begin(std::string_view name, std::uint32_t type, std::uint32_t size);
  [[nodiscard]] Result<void> add(Bytes content);
  [[nodiscard]] Result<void> end();

  [[nodiscard]] std::uint64_t written() const { return written_; }

 private:
  ByteSink& to_;
  std::uint64_t written_ = 0;
};

}  // namespace img::core
