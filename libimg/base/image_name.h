// SPDX-License-Identifier: MIT
// What an image may be called (cli.md, "Names"). A name is also an OCI tag, so a store can travel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "libimg/base/result.h"

namespace img {

inline constexpr std::size_t kMaxImageName = 128;

/// `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`
[[nodiscard]] bool is_image_name(std::string_view text);

/// An error that says what a name may be, where `text` is none.
[[nodiscard]] Result<void> check_image_name(std::string_view text);

/// `text` with everything that a name cannot have as `_`; "image" where nothing is left.
[[nodiscard]] std::string sanitised_name(std::string_view text);

/// `SERIES-20261121T104200Z`
[[nodiscard]] std::string default_name(std::string_view series, std::uint64_t realtime_ns);

/// `NAME.2`: the second image in a second, or the second level of a chain. A name that would grow
/// too long loses the end of its own part.
[[nodiscard]] std::string numbered_name(std::string_view name, std::uint64_t number);

}  // namespace img
