// SPDX-License-Identifier: MIT
// Which descriptors are one open file. Most differ by what stat and fdinfo say; the rest are
// compared by kcmp, whose order makes it a search instead of a comparison with each.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "live/dump/files/open_file.h"

namespace img::dump {

class DescriptionTree {
 public:
  struct Found {
    std::uint32_t* id = nullptr;  // 0 where it is new: to be set
  };
  /// The file that `file` is a descriptor of; one that was not seen before is remembered by this
  /// descriptor, which must stay open as long as the tree is asked.
  [[nodiscard]] Result<Found> find(const OpenFile& file);

 private:
  struct Known {
    pid_t tid = 0;
    int number = -1;
    std::uint32_t id = 0;
  };
  using Likeness = std::tuple<std::uint64_t, std::uint64_t, std::int64_t, std::uint32_t>;
  std::map<Likeness, std::vector<Known>> known_;  // each list in the order of kcmp
};

}  // namespace img::dump
