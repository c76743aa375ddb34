// SPDX-License-Identifier: MIT
// The fields of a C struct, one after the other, little-endian as x86 has them.
#pragma once

#include <algorithm>
#include <concepts>
#include <vector>

#include "libimg/base/bytes.h"

namespace img::core {

/// What a core is made for: ELF64 for 64-bit tasks, ELF32 for others.
enum class Width : std::uint8_t { bits32, bits64 };

class Packer {
 public:
  template <std::integral T>
  void put(T value) {
    for (std::size_t byte = 0; byte < sizeof value; ++byte) {
      bytes_.push_back(static_cast<std::byte>(static_cast<std::uint64_t>(value) >> (8 * byte)));
    }
  }
  /// A `long` of the task: the low half where that has 32 bits.
  void put_word(Width width, std::uint64_t value) {
    width == Width::bits64 ? put(value) : put(static_cast<std::uint32_t>(value));
  }
  void put_zeros(std::size_t count) { bytes_.resize(bytes_.size() + count); }
  void put_bytes(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  /// Cut or filled with zeros to `size`; the last byte is always one.
  void put_text(std::string_view text, std::size_t size) {
    const std::string_view cut = text.substr(0, size - 1);
    put_bytes(as_bytes(cut));
    put_zeros(size - cut.size());
  }
  /// Zeros up to this size, where it is not reached yet.
  void fill_to(std::size_t size) { bytes_.resize(std::max(bytes_.size(), size)); }

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] Bytes bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

}  // namespace img::core
