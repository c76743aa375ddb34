// SPDX-License-Identifier: MIT
// JSON that others wrote, asked for the few members that mean something here; what is of another
// type than expected is passed over.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "libimg/json/parser.h"

namespace img::archive {

using UseMember = std::function<Result<void>(std::string_view key)>;

/// Each member of the object that comes next; `use` must read the value. Skips what is no object.
[[nodiscard]] Result<void> each_member(json::Parser& json, const UseMember& use);
/// Each item of the array that comes next. Skips what is no array.
[[nodiscard]] Result<void> each_item(json::Parser& json, const std::function<Result<void>()>& use);

/// The value that comes next, where it is a text; else it is skipped.
[[nodiscard]] Result<void> take_text(json::Parser& json, std::string& to);
[[nodiscard]] Result<void> take_number(json::Parser& json, std::uint64_t& to);
[[nodiscard]] Result<void> take_texts(json::Parser& json, std::vector<std::string>& to);

}  // namespace img::archive
