// SPDX-License-Identifier: MIT
// Text on its way to a ByteSink, gathered in one large buffer that is used again for the next
// file. It knows characters and numbers, not what JSON or a record is.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>

#include "libimg/base/byte_sink.h"

namespace img::json {

/// Writing cannot fail at the place of writing: the first error is kept and flush() gives it.
class TextOut {
 public:
  static constexpr std::size_t kCapacity = std::size_t{256} << 10;
  /// reserve() may be asked for at most this much.
  static constexpr std::size_t kLargest = std::size_t{16} << 10;

  TextOut() : buffer_(std::make_unique_for_overwrite<char[]>(kCapacity)), next_(buffer_.get()) {}

  /// What is written from now on goes to `sink`. Whatever an earlier one did not take is dropped.
  void start(ByteSink& sink) {
    sink_ = &sink;
    next_ = buffer_.get();
    error_ = {};
  }

  /// Room for `size` characters, to be written there and ended with advance().
  [[nodiscard]] char* reserve(std::size_t size) {
    if (static_cast<std::size_t>(end() - next_) < size) {
      drain();
    }
    return next_;
  }
  void advance(char* end_of_text) { next_ = end_of_text; }

  void put(char c) {
    *reserve(1) = c;
    ++next_;
  }
  void put(std::string_view text) {
    if (text.size() > static_cast<std::size_t>(end() - next_)) {
      put_long(text);
      return;
    }
    next_ = std::copy(text.begin(), text.end(), next_);  // memcpy may not be given an empty view
  }

  template <class Integer>
  void decimal(Integer value) {
    char* to = reserve(24);
    next_ = std::to_chars(to, to + 24, value).ptr;
  }
  /// `0x1f`
  void hex(std::uint64_t value) {
    char* to = reserve(24);
    *to++ = '0';
    *to++ = 'x';
    next_ = std::to_chars(to, to + 20, value, 16).ptr;
  }

  [[nodiscard]] Result<void> flush();

 private:
  [[nodiscard]] char* end() const { return buffer_.get() + kCapacity; }
  void put_long(std::string_view text);
  void drain();

  ByteSink* sink_ = nullptr;
  std::unique_ptr<char[]> buffer_;
  char* next_;
  Result<void> error_;
};

/// The inside of a JSON string for `text`, which must be UTF-8: ASCII only, as Python writes it.
void put_escaped(TextOut& out, std::string_view text);
/// The same in quotes.
void put_string(TextOut& out, std::string_view text);

}  // namespace img::json
