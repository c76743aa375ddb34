// SPDX-License-Identifier: MIT
// The database without its free pages: a copy takes its place, while nobody has the store open.
#pragma once

#include <cstdint>
#include <string>

#include "libimg/base/result.h"
#include "libimg/store/store.h"

namespace img::store {

struct Compacted {
  std::uint64_t before = 0;  // bytes of the database
  std::uint64_t after = 0;
};

/// Waits until `options.deadline` for others to close the store; this process must have closed it.
/// Ended at any moment, one of the two databases is there, whole.
[[nodiscard]] Result<Compacted> compact_database(const std::string& path,
                                                 const StoreOptions& options = {});

/// The copy that an interrupted compaction left; nobody makes one while the store is open.
inline constexpr const char* kUnfinishedCopy = "data.mdb.new";

}  // namespace img::store
