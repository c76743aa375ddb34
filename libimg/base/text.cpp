// SPDX-License-Identifier: MIT
#include "libimg/base/text.h"

#include "libimg/base/units.h"

namespace img {
namespace {

// The shortest sequence that may hold a code of this many bytes, so overlong forms are refused.
constexpr std::uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};

void append_hex_byte(std::string& out, char value) {
  const auto byte = static_cast<unsigned char>(value);
  out += "\\x";
  out += kHexDigits[byte >> 4];
  out += kHexDigits[byte & 0xf];
}

// Appends the next character of `text` and returns how many of its bytes that took.
std::size_t append_escaped(std::string& out, std::string_view text) {
  const Character next = first_character(text);
  if (next.bytes != 0 && !is_control(next.code)) {
    out.append(text.substr(0, next.bytes));
    return next.bytes;
  }
  const std::size_t bytes = next.bytes == 0 ? 1 : next.bytes;
  for (const char byte : text.substr(0, bytes)) {
    append_hex_byte(out, byte);
  }
  return bytes;
}

}  // namespace

Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) {
    return {lead, 1};
  }
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) {
    return {};
  }
  std::uint32_t code = lead & (0x7fU >> length);
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xc0) != 0x80) {
      return {};
    }
    code = code << 6 | (byte(at) & 0x3f);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < kSmallest[length] || code > 0x10ffff || surrogate) {
    return {};
  }
  return {code, length};
}

bool is_control(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code <= 0x9f) ||  // C0, DEL, C1
         code == 0x61c || code == 0x200e || code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = first_character(text).bytes;
    if (bytes == 0) {
      return false;
    }
    text.remove_prefix(bytes);
  }
  return true;
}

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    text.remove_prefix(append_escaped(out, text));
  }
  return out;
}

std::string escaped(std::string_view text, std::size_t max_bytes) {
  constexpr std::string_view kMore = "...";
  std::string out;
  std::size_t cut = 0;  // where the text still leaves room for kMore
  while (!text.empty()) {
    text.remove_prefix(append_escaped(out, text));
    if (out.size() + kMore.size() <= max_bytes) {
      cut = out.size();
    }
    if (out.size() > max_bytes) {
      out.resize(cut);
      out.append(kMore.substr(0, max_bytes));
      return out;
    }
  }
  return out;
}

}  // namespace img
