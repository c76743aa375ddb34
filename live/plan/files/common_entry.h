// SPDX-License-Identifier: MIT
// What most kinds of open files have under the same names: flags, and who gets their signals.
#pragma once

#include "libimg/model/file_table.h"

namespace img::plan {

struct CommonEntry {
  const schema::FownEntry* owner = nullptr;
  std::uint32_t flags = 0;
};

/// Nothing, where this kind has none.
[[nodiscard]] CommonEntry common_entry(const model::OpenFile& file);

}  // namespace img::plan
