// SPDX-License-Identifier: MIT
// Names that the restorer has made only for a while: deleted files and the folders they were in,
// links with their old names. The plan removes them again; if it ends before that, this does.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace img::restore {

class MadeNames {
 public:
  MadeNames() = default;
  ~MadeNames();
  MadeNames(const MadeNames&) = delete;
  MadeNames& operator=(const MadeNames&) = delete;

  /// After a call of this process that has succeeded, with its arguments.
  void note(long number, const std::array<std::uint64_t, 6>& args);

 private:
  struct Name {
    int folder = -1;
    std::string name;
    bool is_folder = false;
  };
  void add(std::uint64_t folder, std::uint64_t name, bool is_folder = false);
  void remove(std::uint64_t folder, std::uint64_t name);

  std::vector<Name> names_;
};

}  // namespace img::restore
