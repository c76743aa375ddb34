// SPDX-License-Identifier: MIT
// Which table of the schema a record's FlatBuffer is, and whether its bytes really are one. The
// check is our own: the library's (flatbuffers::Verify, 2.0.8) reads an offset before it has
// looked where it is, takes a missing required field for granted, and lets one string be referred
// to a million times, so that printing 1 MB gives 1 TB.
#pragma once

#include <cstdint>
#include <string_view>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"
#include "libimg/store/key.h"

namespace img::store {

/// FORMAT.md, "Limits".
inline constexpr unsigned kMaxTableDepth = 64;

/// Empty: a record without a FlatBuffer, or a kind of a newer version.
[[nodiscard]] std::string_view record_table(const RecordPlace& place);

/// True if every offset, length and alignment that an accessor or a walk over the schema will
/// follow stays inside `buffer`, what is required is there, nesting is at most kMaxTableDepth, and
/// no byte belongs to two objects (so a walk takes time in proportion to the size). `buffer` is to
/// be kept at an address that is a multiple of 8.
[[nodiscard]] bool is_table(Bytes buffer, std::string_view table);
/// The same for the table of a record.
[[nodiscard]] bool is_record_table(Bytes buffer, const RecordPlace& place);

}  // namespace img::store
