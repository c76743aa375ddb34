// SPDX-License-Identifier: MIT
#include "libimg/json/emitter.h"

#include <algorithm>
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
  constexpr std::size_t kMost = 64;  // a fixed size is copied in a few instructions
  if (!pretty_) {
    return;
  }
  char* const to = out_.reserve(kSpaces.size());
  std::memcpy(to, kSpaces.data(), kMost);
  std::size_t size = 1 + std::size_t{4} * depth_;
  if (size > kMost) {
    // Deeper than any verified record goes, lines are merely no longer indented further.
    size = std::min(size, kSpaces.size());
    std::memcpy(to + kMost, kSpaces.data() + 1, size - kMost);
  }
  out_.advance(to + size);
}

}  // namespace img::json
