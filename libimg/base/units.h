// SPDX-License-Identifier: MIT
// Durations, sizes and times as people write and read them (cli.md, "Units").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "libimg/base/result.h"

namespace img {

inline constexpr std::string_view kHexDigits = "0123456789abcdef";
inline constexpr std::uint64_t kSecond = 1'000'000'000;  // nanoseconds

/// `500ms 10s 10min 6h 30d 4w`; a bare number is seconds. In nanoseconds.
[[nodiscard]] Result<std::uint64_t> parse_duration(std::string_view text);

/// `4096 64K 64KiB 1M 1G`: K, M, G and T are powers of 1024, as CRIU has them. In bytes.
[[nodiscard]] Result<std::uint64_t> parse_size(std::string_view text);

/// `0x1f` or `31`.
[[nodiscard]] Result<std::uint64_t> parse_number(std::string_view text);

/// `512 B`, `4.0 KiB`, `1.2 GiB`.
[[nodiscard]] std::string size_text(std::uint64_t bytes);

/// `850 us`, `12.3 ms`, `4.5 s`, `2 min 5 s`, `3 h 20 min`.
[[nodiscard]] std::string duration_text(std::uint64_t nanoseconds);

/// `0x1f`
[[nodiscard]] std::string hex(std::uint64_t value);

/// Nanoseconds of CLOCK_REALTIME as `2026-11-21T10:42:00Z`.
[[nodiscard]] std::string rfc3339(std::uint64_t realtime_ns);
/// `2026-11-21T10:42:00.5+01:00`, as programs write it; nothing for what is no such time, or before
/// 1970.
[[nodiscard]] std::optional<std::uint64_t> parse_rfc3339(std::string_view text);
/// The same without punctuation, as names have it: `20261121T104200Z`.
[[nodiscard]] std::string compact_time(std::uint64_t realtime_ns);

}  // namespace img
