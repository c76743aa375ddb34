// SPDX-License-Identifier: MIT
// Text from an image on its way to a person. Bytes that a terminal would obey, or that are not
// UTF-8, are shown as \xNN.
#pragma once

#include <string>
#include <string_view>

namespace img {

/// Well-formed UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF.
[[nodiscard]] bool is_utf8(std::string_view text);

/// `text` with every control character and every byte that is not UTF-8 as \xNN. Marks that
/// reorder a line (bidirectional overrides) and line separators count as control characters.
[[nodiscard]] std::string escaped(std::string_view text);

/// The same, and no longer than `max_bytes`: what was cut off becomes "...".
[[nodiscard]] std::string escaped(std::string_view text, std::size_t max_bytes);

}  // namespace img
