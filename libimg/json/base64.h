// SPDX-License-Identifier: MIT
// Base64 inside a JSON string, as crit writes it: lines of 76 characters, each ended by an escaped
// line feed. Both directions go through small buffers, however large the bytes are.
#pragma once

#include <array>
#include <string>

#include "libimg/base/byte_sink.h"
#include "libimg/json/text_out.h"

namespace img::json {

/// Bytes in any portions to text; finish() ends the last line.
class Base64Out {
 public:
  explicit Base64Out(TextOut& out) : out_(out) {}
  void put(Bytes bytes);
  void finish();

 private:
  static constexpr std::size_t kLineBytes = 57;  // 76 characters

  void put_line(const std::byte* bytes, std::size_t size);

  TextOut& out_;
  std::array<std::byte, kLineBytes> begun_;  // a line of which not all bytes have come
  std::size_t waiting_ = 0;
};

/// Decodes the inside of a JSON string (its escapes are understood) into `sink`. White space may be
/// anywhere; anything else that is not base64, or padding that is not at the end, is an error that
/// only says why: the caller knows the place.
[[nodiscard]] Result<void> decode_base64(std::string_view inside, ByteSink& sink);

}  // namespace img::json
