// SPDX-License-Identifier: MIT
// What a fuzz target has: libFuzzer's entry, and inputs to begin with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace img::fuzz {

/// Inputs worth mutating, made from the fixtures.
[[nodiscard]] std::vector<std::string> seeds();

/// A property of the target that must hold for every input.
inline void must_hold(bool condition, const char* what) {
  if (!condition) {
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
  }
}

}  // namespace img::fuzz
