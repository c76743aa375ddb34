// SPDX-License-Identifier: MIT
// Two messages of one kind, field by field: one walk over the schema.
#pragma once

#include "libimg/diff/difference.h"

namespace img::diff {

/// Adds what is different to `item`. Fields that are facts of the dump, not of what was dumped, are
/// left out.
void compare_tables(const schema::TableLayout& layout, Bytes before, Bytes after, Item& item);

}  // namespace img::diff
