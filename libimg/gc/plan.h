// SPDX-License-Identifier: MIT
// What a collection of a store would do, and why. Only looks; apply.h does it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "libimg/gc/policy.h"
#include "libimg/store/id.h"
#include "libimg/store/store.h"
#include "libimg/store/sweep.h"

namespace img::gc {

struct Options {
  Policy policy;
  std::vector<std::string> pin;
  std::vector<std::string> unpin;
  /// A pack with less than this part alive is written anew, in hundredths.
  unsigned rewrite_below = 50;
  /// A smaller one costs more to write anew than it holds.
  std::uint64_t rewrite_at_least = 64 * 1024;
};

struct PlannedImage {
  store::Id id;
  std::uint64_t commit = 0;
  std::string name;
  std::string series;
  bool has_name = true;
  bool pinned = false;
  std::uint64_t time_ns = 0;
  Verdict verdict;
  /// What its going frees: its records, and packs that it is the last to need.
  std::uint64_t bytes = 0;
  /// Its parent goes, and leaves it these pages.
  bool folds = false;
  std::uint64_t folded_bytes = 0;
};

struct PlannedPack {
  store::Id id;
  std::uint64_t bytes = 0;
  std::uint64_t alive = 0;
  bool rewrite = false;  // else nothing in it is alive
};

/// What a writer left that died.
struct PlannedPending {
  std::uint64_t commit = 0;
  std::string name;
};

struct Plan {
  std::vector<PlannedImage> images;  // all, oldest first
  std::vector<PlannedPack> packs;    // that no image needs after this, or only part of
  std::vector<PlannedPending> pending;
  store::Sweep strays;      // as it is before
  std::uint64_t bytes = 0;  // freed, as far as it is known before

  [[nodiscard]] bool is_nothing() const;
};

/// Fault::conflict, Fault::missing: as judge() says.
[[nodiscard]] Result<Plan> make_plan(const std::shared_ptr<const store::Store>& store,
                                     const Options& options);

}  // namespace img::gc
