// SPDX-License-Identifier: MIT
// What a directory holds; and image files made by hand.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "libimg/base/bytes.h"
#include "tests/support/scratch.h"

namespace img::criu::testing {

namespace fs = std::filesystem;

using test::Scratch;
using test::slurp;
using test::spill;

/// Every file of a directory by name; links as "-> text".
inline std::map<std::string, std::string> contents(const fs::path& directory) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::directory_iterator(directory)) {
    all[entry.path().filename()] =
        entry.is_symlink() ? "-> " + fs::read_symlink(entry.path()).string() : slurp(entry.path());
  }
  return all;
}

inline std::string word(std::uint32_t value) {
  return {reinterpret_cast<const char*>(&value), 4};
}
inline std::string swapped_word(std::uint32_t value) {
  return word(__builtin_bswap32(value));
}
inline std::string entry(const std::string& message) {
  return word(static_cast<std::uint32_t>(message.size())) + message;
}

}  // namespace img::criu::testing
