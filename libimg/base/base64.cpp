// SPDX-License-Identifier: MIT
#include "libimg/base/base64.h"

#include <array>

namespace img {
namespace {

// Two characters for every 12 bits.
constexpr auto kPairs = [] {
  std::array<std::array<char, 2>, 4096> table{};
  for (unsigned i = 0; i < 4096; ++i) {
    table[i] = {kBase64Digits[i >> 6], kBase64Digits[i & 63]};
  }
  return table;
}();

}  // namespace

char* put_base64(Bytes bytes, char* to) {
  const std::size_t size = bytes.size();
  const auto at = [&](std::size_t i) { return static_cast<unsigned>(bytes[i]); };
  std::size_t i = 0;
  for (; i + 3 <= size; i += 3, to += 4) {
    const unsigned bits = at(i) << 16 | at(i + 1) << 8 | at(i + 2);
    std::memcpy(to, kPairs[bits >> 12].data(), 2);
    std::memcpy(to + 2, kPairs[bits & 0xfff].data(), 2);
  }
  if (i < size) {
    const unsigned bits = at(i) << 16 | (i + 1 < size ? at(i + 1) << 8 : 0);
    std::memcpy(to, kPairs[bits >> 12].data(), 2);
    to[2] = i + 1 < size ? kBase64Digits[bits >> 6 & 63] : '=';
    to[3] = '=';
    to += 4;
  }
  return to;
}

std::string base64(Bytes bytes) {
  std::string out(base64_size(bytes.size()), '\0');
  put_base64(bytes, out.data());
  return out;
}

}  // namespace img
