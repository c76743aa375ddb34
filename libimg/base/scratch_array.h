// SPDX-License-Identifier: MIT
// Arrays that may be too long for the heap: small ones are in memory of the process, large ones in
// a nameless file that is mapped, so that the kernel can put them aside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

#include "libimg/base/mapping_guard.h"
#include "libimg/base/result.h"

namespace img {

/// Bytes that grow and may move; new ones are zero.
class ScratchBytes {
 public:
  static constexpr std::size_t kInMemory = std::size_t{1} << 20;

  ScratchBytes() = default;
  ScratchBytes(ScratchBytes&& other) noexcept { *this = std::move(other); }
  ScratchBytes& operator=(ScratchBytes&& other) noexcept;
  ~ScratchBytes() { release(); }

  [[nodiscard]] std::byte* begin() const { return begin_; }
  [[nodiscard]] std::size_t capacity() const { return capacity_; }
  [[nodiscard]] Result<void> grow(std::size_t capacity);

 private:
  void release();

  std::byte* begin_ = nullptr;
  std::size_t capacity_ = 0;
  bool in_file_ = false;
  MappingGuard guard_;
};

template <class T>
class ScratchArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::span<T> values() { return {reinterpret_cast<T*>(bytes_.begin()), size_}; }
  [[nodiscard]] std::span<const T> values() const {
    return {reinterpret_cast<const T*>(bytes_.begin()), size_};
  }
  [[nodiscard]] T& operator[](std::size_t index) { return values()[index]; }
  [[nodiscard]] const T& operator[](std::size_t index) const { return values()[index]; }

  void clear() { size_ = 0; }
  [[nodiscard]] Result<void> push_back(const T& value) {
    if ((size_ + 1) * sizeof(T) > bytes_.capacity()) {
      IMG_TRY(bytes_.grow(std::max<std::size_t>(bytes_.capacity() * 2, 4096)));
    }
    std::memcpy(bytes_.begin() + size_ * sizeof(T), &value, sizeof(T));
    ++size_;
    return {};
  }
  /// Of an array that was empty: all values zero.
  [[nodiscard]] Result<void> allot(std::size_t size) {
    IMG_TRY(bytes_.grow(size * sizeof(T)));
    std::memset(static_cast<void*>(bytes_.begin()), 0, size * sizeof(T));
    size_ = size;
    return {};
  }

 private:
  ScratchBytes bytes_;
  std::size_t size_ = 0;
};

}  // namespace img
