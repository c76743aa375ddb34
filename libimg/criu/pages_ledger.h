// SPDX-License-Identifier: MIT
// Which pagemap a pages file belongs to, and how much of it the pagemap stands for. For several
// threads at once.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "libimg/model/record.h"

namespace img::criu {

class PagesLedger {
 public:
  /// Notes what a pagemap's entries add up to. Gives the other pagemap that has that pages file
  /// already, if there is one. A pagemap that stands for nothing has a number all the same.
  [[nodiscard]] std::optional<model::FileKey> note(model::FileKey pagemap, std::uint32_t pages_id,
                                                   std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    seen_.insert(pagemap);
    if (bytes == 0) {
      return std::nullopt;
    }
    const auto [use, is_new] = uses_.try_emplace(pages_id, Use{pagemap, bytes});
    return is_new || use->second.pagemap == pagemap ? std::nullopt
                                                    : std::optional(use->second.pagemap);
  }

  /// True at the first call for a pagemap that nothing was noted of.
  [[nodiscard]] bool is_new(model::FileKey pagemap) {
    const std::lock_guard lock(mutex_);
    return seen_.insert(pagemap).second;
  }

  /// Bytes of that pages file that a pagemap stands for.
  [[nodiscard]] std::uint64_t used(std::uint64_t pages_id) {
    const std::lock_guard lock(mutex_);
    const auto use = uses_.find(pages_id);
    return use == uses_.end() ? 0 : use->second.bytes;
  }

 private:
  struct Use {
    model::FileKey pagemap;
    std::uint64_t bytes = 0;
  };
  std::mutex mutex_;
  std::map<std::uint64_t, Use> uses_;
  std::set<model::FileKey> seen_;
};

}  // namespace img::criu
