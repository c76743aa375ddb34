// SPDX-License-Identifier: MIT
// How many bytes a message says will follow it.
#pragma once

#include <optional>

#include "libimg/model/record.h"

namespace img::json {

/// Without padding: what the message counts. For queued messages and the content of a ghost, which
/// no field counts, nothing.
[[nodiscard]] std::optional<std::uint64_t> announced_size(schema::PayloadRule rule,
                                                          const model::Record& record);
/// Whether crit gives the entry an `extra`, however many bytes it is.
[[nodiscard]] bool has_extra(schema::PayloadRule rule, const model::Record& record);

}  // namespace img::json
