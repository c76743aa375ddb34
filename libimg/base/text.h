// SPDX-License-Identifier: MIT
// Text from an image on its way to a person. Bytes that a terminal would obey, or that are not
// UTF-8, are shown as \xNN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace img {

struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 0;  // 0: not UTF-8
};

/// The first character of a text that is not empty.
[[nodiscard]] Character first_character(std::string_view text);

/// Control characters, and marks that reorder or end a line (bidirectional overrides, separators).
[[nodiscard]] bool is_control(std::uint32_t code);

/// Well-formed UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);

/// `text` with every control character and every byte that is not UTF-8 as \xNN.
[[nodiscard]] std::string escaped(std::string_view text);

/// The same, and no longer than `max_bytes`: what was cut off becomes "...".
[[nodiscard]] std::string escaped(std::string_view text, std::size_t max_bytes);

}  // namespace img
