// SPDX-License-Identifier: MIT
#include "libimg/json/emitter.h"

#include <array>
#include <cstring>

namespace img::json {

void Emitter::new_line() {
  static constexpr auto kSpaces = [] {
    std::array<char, 1024> spaces;
    spaces.fill(' ');
    spaces[0] = '\n';
    return spaces;
  }();
  if (pretty_) {
    // Deeper than any verified record goes, lines are merely no longer indented further.
    const std::size_t size = std::min<std::size_t>(1 + std::size_t{4} * depth_, kSpaces.size());
    out_.put(std::string_view(kSpaces.data(), size));
  }
}

}  // namespace img::json
