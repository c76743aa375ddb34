// SPDX-License-Identifier: MIT
// A directory for one test, gone when it ends; and image files made by hand.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "libimg/base/bytes.h"

namespace img::criu::testing {

namespace fs = std::filesystem;

class Scratch {
 public:
  Scratch() : path_((fs::temp_directory_path() / "stasis-test-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) {
      std::abort();
    }
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string slurp(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void spill(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}

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
