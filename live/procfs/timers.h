// SPDX-License-Identifier: MIT
// /proc/PID/timers (POSIX timers) and /proc/PID/limits. Knows text only.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "libimg/base/result.h"

namespace img::procfs {

enum class TimerNotify { none, signal, thread };

struct PosixTimer {
  std::int32_t id = 0;
  std::int32_t signal = 0;
  std::uint64_t value = 0;  // sigev_value
  TimerNotify notify = TimerNotify::none;
  bool to_thread = false;   // SIGEV_THREAD_ID
  std::int32_t target = 0;  // the process, or the thread
  std::int32_t clock = 0;
};

[[nodiscard]] Result<std::vector<PosixTimer>> parse_timers(std::string_view text);

inline constexpr std::uint64_t kUnlimited = ~std::uint64_t{0};
struct Limit {
  std::uint64_t soft = kUnlimited;
  std::uint64_t hard = kUnlimited;
};
inline constexpr std::size_t kLimits = 16;  // RLIM_NLIMITS

/// By RLIMIT_... number.
[[nodiscard]] Result<std::array<Limit, kLimits>> parse_limits(std::string_view text);

}  // namespace img::procfs
