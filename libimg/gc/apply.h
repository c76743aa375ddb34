// SPDX-License-Identifier: MIT
// Does what a plan says, as far as it still holds: others read and write meanwhile, and what has
// come to be needed since stays. Ended at any moment it leaves a store in which every image that is
// there is whole, and the next collection goes on.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "libimg/gc/plan.h"

namespace img::gc {

struct Outcome {
  std::vector<std::string> dropped;
  std::vector<std::string> stayed;    // needed or pinned since the plan was made
  std::uint64_t purged = 0;           // leftovers of dead writers
  std::uint64_t rewritten = 0;        // packs
  std::uint64_t rewritten_bytes = 0;  // of those that took their place
  std::uint64_t bytes = 0;            // of files that are gone
  std::uint64_t waiting_packs = 0;    // that somebody may still read: the next collection's
  std::uint64_t waiting_bytes = 0;
};

/// `stop` not 0: end after what is being done.
[[nodiscard]] Result<Outcome> apply(const std::shared_ptr<const store::Store>& store,
                                    const Plan& plan, const Options& options,
                                    const std::atomic<int>* stop = nullptr);

}  // namespace img::gc
