// SPDX-License-Identifier: MIT
#include "live/procfs/timers.h"

#include <algorithm>

#include "libimg/base/scanner.h"

namespace img::procfs {
namespace {

constexpr std::size_t kMaxTimers = 1U << 20;  // bounded by RLIMIT_SIGPENDING

// In the order of RLIMIT_CPU, RLIMIT_FSIZE ...
constexpr std::array<std::string_view, kLimits> kLimitNames = {
    "Max cpu time",       "Max file size",     "Max data size",         "Max stack size",
    "Max core file size", "Max resident set",  "Max processes",         "Max open files",
    "Max locked memory",  "Max address space", "Max file locks",        "Max pending signals",
    "Max msgqueue size",  "Max nice priority", "Max realtime priority", "Max realtime timeout"};

// "notify: signal/pid.2634", "none/tid.12"
bool take_notify(Scanner in, PosixTimer& out) {
  const std::string_view how = in.until('/');
  if (how != "signal" && how != "none" && how != "thread") {
    return false;
  }
  out.notify = how == "signal"   ? TimerNotify::signal
               : how == "thread" ? TimerNotify::thread
                                 : TimerNotify::none;
  out.to_thread = in.skip("tid.");
  return (out.to_thread || in.skip("pid.")) && in.take(out.target);
}

bool take_line(std::string_view line, std::vector<PosixTimer>& out) {
  Scanner in(line);
  const std::string_view key = in.until(':');
  in.skip_blanks();
  if (key == "ID") {
    return out.size() < kMaxTimers && in.take(out.emplace_back().id);
  }
  if (out.empty()) {
    return false;
  }
  PosixTimer& timer = out.back();
  if (key == "signal") {
    return in.take(timer.signal) && in.skip("/") && in.take(timer.value, 16);
  }
  if (key == "notify") {
    return take_notify(in, timer);
  }
  return key != "ClockID" || in.take(timer.clock);
}

bool take_limit(Scanner& in, std::uint64_t& out) {
  in.skip_blanks();
  return in.skip("unlimited") || in.take(out);
}

}  // namespace

Result<std::vector<PosixTimer>> parse_timers(std::string_view text) {
  std::vector<PosixTimer> out;
  for (Scanner in(text); !in.at_end();) {
    const std::string_view line = in.line();
    if (!take_line(line, out)) {
      return malformed("timers", line.substr(0, 100));
    }
  }
  return out;
}

Result<std::array<Limit, kLimits>> parse_limits(std::string_view text) {
  std::array<Limit, kLimits> out{};
  std::size_t found = 0;
  for (Scanner in(text); !in.at_end();) {
    const std::string_view line = in.line();
    const auto name = std::find_if(kLimitNames.begin(), kLimitNames.end(),
                                   [&](std::string_view one) { return line.starts_with(one); });
    if (name == kLimitNames.end()) {
      continue;
    }
    Scanner values(line.substr(name->size()));
    Limit& limit = out[static_cast<std::size_t>(name - kLimitNames.begin())];
    if (!take_limit(values, limit.soft) || !take_limit(values, limit.hard)) {
      return malformed("limits", line.substr(0, 100));
    }
    ++found;
  }
  if (found != kLimits) {
    return malformed("limits", "number of limits");
  }
  return out;
}

}  // namespace img::procfs
