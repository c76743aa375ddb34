// SPDX-License-Identifier: MIT
// The parts of a comparison.
#pragma once

#include <functional>
#include <set>

#include "libimg/diff/difference.h"
#include "libimg/show/mappings.h"
#include "libimg/show/subject.h"

namespace img::diff {

using Tell = std::function<void(Section, const Item&)>;

struct Pair {
  show::Subject& before;
  show::Subject& after;

  /// Of both, ascending.
  [[nodiscard]] std::set<std::uint32_t> pids() const;
};

void compare_processes(const Pair& pair, const Tell& tell);
void compare_descriptors(const Pair& pair, const Tell& tell);
void compare_sockets(const Pair& pair, const Tell& tell);
void compare_mappings(const Pair& pair, const Tell& tell);
/// All files but page maps.
[[nodiscard]] Result<void> compare_records(const Pair& pair, const Tell& tell);
[[nodiscard]] Result<PageCounts> compare_pages(const Pair& pair, Sink& sink);

/// "66 redis-server"
[[nodiscard]] std::string title(const Pair& pair, std::uint32_t pid);
/// What is mapped, "anonymous" where that is nothing.
[[nodiscard]] std::string mapping_title(show::Subject& subject, const show::Mapping& mapping);

}  // namespace img::diff
