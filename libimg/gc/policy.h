// SPDX-License-Identifier: MIT
// Which of many images may go, and why. Knows nothing of where they are: images of a store,
// directories and archives in a folder are judged alike.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "libimg/base/result.h"

namespace img::gc {

/// Borrows its words.
struct Candidate {
  std::string_view name;
  std::string_view series;
  std::uint64_t time_ns = 0;  // when it was taken; of those of one time the later is the newer
  bool pinned = false;
  bool has_name = true;               // else it stays only for those that need it
  std::optional<std::size_t> parent;  // a position in the same list
};

struct Policy {
  std::vector<std::string> drop;                // --delete
  std::optional<std::uint64_t> keep_last;       // images of each series
  std::optional<std::uint64_t> keep_within_ns;  // back from the newest of its series
  std::string series;                           // only this one; empty: all

  [[nodiscard]] bool is_retention() const { return keep_last || keep_within_ns; }
};

/// What becomes of a dropped image's memory that a kept one needs.
enum class Needed {
  folded,   // moves into the one that needs it, so the other can go
  in_place  // cannot move, so the other stays
};

struct Verdict {
  bool drop = false;
  std::string why;
};

/// One for each candidate. Fault::conflict: the policy asks for what is not done (to delete what is
/// pinned or needed); Fault::missing: it names an image that is not there.
[[nodiscard]] Result<std::vector<Verdict>> judge(std::span<const Candidate> images,
                                                 const Policy& policy, Needed needed,
                                                 const std::string& place);

}  // namespace img::gc
