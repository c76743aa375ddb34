// SPDX-License-Identifier: MIT
#include "libimg/json/text_out.h"

#include <algorithm>
#include <array>

#include "libimg/base/assert.h"
#include "libimg/base/text.h"
#include "libimg/base/units.h"

namespace img::json {
namespace {

// 0: as it is; a letter: after a backslash; 'u': by its number.
constexpr auto kEscape = [] {
  std::array<char, 256> table{};
  for (unsigned c = 0; c < 256; ++c) {
    table[c] = c < 0x20 || c > 0x7e ? 'u' : '\0';
  }
  table['"'] = '"';
  table['\\'] = '\\';
  table['\n'] = 'n';
  table['\r'] = 'r';
  table['\t'] = 't';
  table['\b'] = 'b';
  table['\f'] = 'f';
  return table;
}();

char* put_u(char* to, unsigned unit) {
  *to++ = '\\';
  *to++ = 'u';
  for (int shift = 12; shift >= 0; shift -= 4) {
    *to++ = kHexDigits[unit >> shift & 15];
  }
  return to;
}

// One character that cannot stand for itself; how many bytes of `text` it was.
std::size_t put_escape(TextOut& out, std::string_view text) {
  char* to = out.reserve(12);
  const char letter = kEscape[static_cast<unsigned char>(text[0])];
  if (letter != 'u') {
    *to++ = '\\';
    *to++ = letter;
    out.advance(to);
    return 1;
  }
  const Character character = first_character(text);
  if (character.code >= 0x10000) {
    const std::uint32_t rest = character.code - 0x10000;
    to = put_u(to, 0xd800 + (rest >> 10));
    to = put_u(to, 0xdc00 + (rest & 0x3ff));
  } else {
    to = put_u(to, character.code);
  }
  out.advance(to);
  return std::max<std::size_t>(character.bytes, 1);
}

}  // namespace

void TextOut::put_long(std::string_view text) {
  drain();
  for (; text.size() > kCapacity; text.remove_prefix(kCapacity)) {
    put(text.substr(0, kCapacity));
    drain();
  }
  put(text);
}

void TextOut::drain() {
  IMG_ASSERT(sink_ != nullptr);
  const std::string_view text{buffer_.get(), static_cast<std::size_t>(next_ - buffer_.get())};
  next_ = buffer_.get();
  if (error_ && !text.empty()) {
    error_ = sink_->write(as_bytes(text));
  }
}

Result<void> TextOut::flush() {
  drain();
  return error_;
}

void put_escaped(TextOut& out, std::string_view text) {
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && kEscape[static_cast<unsigned char>(text[plain])] == 0) {
      ++plain;
    }
    out.put(text.substr(0, plain));
    text.remove_prefix(plain);
    if (!text.empty()) {
      text.remove_prefix(put_escape(out, text));
    }
  }
}

void put_string(TextOut& out, std::string_view text) {
  out.put('"');
  put_escaped(out, text);
  out.put('"');
}

}  // namespace img::json
