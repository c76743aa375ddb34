// SPDX-License-Identifier: MIT
// /proc/PID/stat and /proc/PID/task/TID/stat: one line about a task. Knows text only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "libimg/base/result.h"

namespace img::procfs {

struct Stat {
  std::int32_t pid = 0;
  std::string comm;
  char state = '?';
  std::int32_t ppid = 0;
  std::int32_t process_group = 0;
  std::int32_t session = 0;
  std::int32_t tty = 0;
  std::int32_t tty_group = 0;
  std::uint32_t flags = 0;  // PF_...
  std::int64_t priority = 0;
  std::int64_t nice = 0;
  std::int64_t threads = 0;
  std::uint64_t start_time = 0;  // in ticks since boot; with the pid it names a task for ever
  std::uint64_t start_code = 0;
  std::uint64_t end_code = 0;
  std::uint64_t start_stack = 0;
  std::int32_t exit_signal = 0;
  std::uint32_t realtime_priority = 0;
  std::uint32_t policy = 0;
  std::uint64_t start_data = 0;
  std::uint64_t end_data = 0;
  std::uint64_t start_brk = 0;
  std::uint64_t arg_start = 0;
  std::uint64_t arg_end = 0;
  std::uint64_t env_start = 0;
  std::uint64_t env_end = 0;
  std::int32_t exit_code = 0;  // as wait(2) gives it; 0 where we may not see it

  [[nodiscard]] bool is_kernel_thread() const { return (flags & 0x0020'0000) != 0; }  // PF_KTHREAD
  [[nodiscard]] bool is_zombie() const { return state == 'Z'; }
  [[nodiscard]] bool is_dead() const { return state == 'X' || state == 'x'; }
  [[nodiscard]] bool is_stopped() const { return state == 'T'; }
};

[[nodiscard]] Result<Stat> parse_stat(std::string_view text);

}  // namespace img::procfs
