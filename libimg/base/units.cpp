// SPDX-License-Identifier: MIT
#include "libimg/base/units.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <ctime>
#include <span>

#include "libimg/base/text.h"

namespace img {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

constexpr std::uint64_t kKibi = 1024;
constexpr std::array<Unit, 7> kDurations = {{{"ms", kSecond / 1000},
                                             {"s", kSecond},
                                             {"min", 60 * kSecond},
                                             {"h", 3600 * kSecond},
                                             {"d", 86400 * kSecond},
                                             {"w", 7 * 86400 * kSecond},
                                             {"", kSecond}}};
constexpr std::array<Unit, 10> kSizes = {{{"", 1},
                                          {"B", 1},
                                          {"K", kKibi},
                                          {"KiB", kKibi},
                                          {"M", kKibi* kKibi},
                                          {"MiB", kKibi* kKibi},
                                          {"G", kKibi* kKibi* kKibi},
                                          {"GiB", kKibi* kKibi* kKibi},
                                          {"T", kKibi* kKibi* kKibi* kKibi},
                                          {"TiB", kKibi* kKibi* kKibi* kKibi}}};

Result<std::uint64_t> parse_with_units(std::string_view text, std::span<const Unit> units,
                                       std::string_view what, std::string_view hint) {
  std::uint64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  const std::string_view name(rest, static_cast<std::size_t>(end - rest));
  for (const Unit& unit : units) {
    if (error != std::errc() || unit.name != name) {
      continue;
    }
    std::uint64_t value = 0;
    if (__builtin_mul_overflow(count, unit.factor, &value)) {
      return fail(Fault::limit, escaped(text), fmt::format("{}: too large", what));
    }
    return value;
  }
  return fail(Fault::usage, escaped(text), fmt::format("not a {}", what), {}, std::string(hint));
}

std::string time_text(std::uint64_t realtime_ns, const char* format) {
  const auto seconds = static_cast<std::time_t>(realtime_ns / kSecond);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> buffer{};
  return {buffer.data(), std::strftime(buffer.data(), buffer.size(), format, &parts)};
}

}  // namespace

Result<std::uint64_t> parse_duration(std::string_view text) {
  return parse_with_units(text, kDurations, "duration", "write 500ms 10s 10min 6h 30d 4w");
}

Result<std::uint64_t> parse_size(std::string_view text) {
  return parse_with_units(text, kSizes, "size", "write 4096 64K 1M 2G or 64KiB 1MiB 2GiB");
}

Result<std::uint64_t> parse_number(std::string_view text) {
  const bool is_hex = text.starts_with("0x") || text.starts_with("0X");
  const std::string_view digits = is_hex ? text.substr(2) : text;
  const char* const end = digits.data() + digits.size();
  std::uint64_t value = 0;
  const auto [rest, error] = std::from_chars(digits.data(), end, value, is_hex ? 16 : 10);
  if (error == std::errc::result_out_of_range) {
    return fail(Fault::limit, escaped(text), "number too large");
  }
  if (error != std::errc() || rest != end) {
    return fail(Fault::usage, escaped(text), "not a number", {}, "write 4096 or 0x1000");
  }
  return value;
}

std::string size_text(std::uint64_t bytes) {
  if (bytes < kKibi) {
    return fmt::format("{} B", bytes);
  }
  constexpr std::array<std::string_view, 6> kNames = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / static_cast<double>(kKibi);
  std::size_t unit = 0;
  // 1023.95 would be printed as 1024.0.
  for (; value >= 1023.95 && unit + 1 < kNames.size(); ++unit) {
    value /= static_cast<double>(kKibi);
  }
  return fmt::format("{:.1f} {}", value, kNames[unit]);
}

std::string duration_text(std::uint64_t nanoseconds) {
  const double seconds = static_cast<double>(nanoseconds) / static_cast<double>(kSecond);
  const std::uint64_t whole = nanoseconds / kSecond;
  if (nanoseconds < kSecond / 1000) {
    return fmt::format("{} us", nanoseconds / 1000);
  }
  if (nanoseconds < kSecond) {
    return fmt::format("{:.1f} ms", seconds * 1000);
  }
  if (whole < 60) {
    return fmt::format("{:.1f} s", seconds);
  }
  if (whole < 3600) {
    return fmt::format("{} min {} s", whole / 60, whole % 60);
  }
  if (whole < 86400) {
    return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
  }
  return fmt::format("{} d {} h", whole / 86400, whole / 3600 % 24);
}

std::string hex(std::uint64_t value) {
  return fmt::format("{:#x}", value);
}

std::string rfc3339(std::uint64_t realtime_ns) {
  return time_text(realtime_ns, "%Y-%m-%dT%H:%M:%SZ");
}

std::string compact_time(std::uint64_t realtime_ns) {
  return time_text(realtime_ns, "%Y%m%dT%H%M%SZ");
}

std::optional<std::uint64_t> parse_rfc3339(std::string_view text) {
  std::tm parts{};
  int used = 0;
  const std::string copy(text.substr(0, 64));
  if (std::sscanf(copy.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d%n", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &used) != 6) {
    return std::nullopt;
  }
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  std::string_view rest = std::string_view(copy).substr(static_cast<std::size_t>(used));
  std::uint64_t ns = 0;
  if (rest.starts_with('.')) {
    std::uint64_t unit = kSecond;
    for (rest.remove_prefix(1); !rest.empty() && rest[0] >= '0' && rest[0] <= '9';
         rest.remove_prefix(1)) {
      unit /= 10;
      ns += static_cast<std::uint64_t>(rest[0] - '0') * unit;
    }
  }
  int hours = 0;
  int minutes = 0;
  const bool is_utc = rest == "Z";
  if (!is_utc && std::sscanf(std::string(rest).c_str(), "%3d:%2d", &hours, &minutes) != 2) {
    return std::nullopt;
  }
  const int offset = hours * 3600 + (rest.starts_with('-') ? -60 : 60) * minutes;
  const std::int64_t seconds = ::timegm(&parts) - offset;
  return seconds < 0 ? std::nullopt
                     : std::optional(static_cast<std::uint64_t>(seconds) * kSecond + ns);
}

}  // namespace img
