// SPDX-License-Identifier: MIT
// One mapping, judged by itself.
#pragma once

#include <functional>

#include "libimg/check/facts.h"
#include "schema/mm_generated.h"

namespace img::check {

/// The place of a field of the mapping, with its value.
using WhereIs = std::function<Where(const char* field, std::uint64_t value)>;

/// MM-5, MM-6, MM-7.
void judge_mapping(Facts& facts, const WhereIs& at, const schema::VmaEntry& entry);

}  // namespace img::check
