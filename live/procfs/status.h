// SPDX-License-Identifier: MIT
// /proc/PID/status and /proc/PID/task/TID/status: what stat has no room for. Knows text only.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "libimg/base/result.h"

namespace img::procfs {

/// Lines that a kernel may leave out keep their default.
struct Status {
  std::string name;  // with \n and \\ as the kernel escapes them
  char state = '?';
  std::uint32_t umask = 0;
  std::int32_t tgid = 0;
  std::int32_t pid = 0;
  std::int32_t ppid = 0;
  std::int32_t tracer = 0;
  std::array<std::uint32_t, 4> uids{};  // real, effective, saved, file system
  std::array<std::uint32_t, 4> gids{};
  std::vector<std::uint32_t> groups;
  std::vector<std::int32_t> ns_tgid;  // ours first, the task's own last
  std::vector<std::int32_t> ns_pid;
  std::vector<std::int32_t> ns_pgid;
  std::vector<std::int32_t> ns_sid;
  std::uint32_t fd_size = 0;
  std::uint64_t threads = 0;
  std::uint64_t locked_kib = 0;
  std::uint64_t pending = 0;         // this thread's signals
  std::uint64_t shared_pending = 0;  // the process's
  std::uint64_t blocked = 0;
  std::uint64_t ignored = 0;
  std::uint64_t caught = 0;
  std::uint64_t cap_inheritable = 0;
  std::uint64_t cap_permitted = 0;
  std::uint64_t cap_effective = 0;
  std::uint64_t cap_bounding = 0;
  std::uint64_t cap_ambient = 0;
  bool no_new_privs = false;
  std::uint32_t seccomp = 0;  // 0 none, 1 strict, 2 filters
  std::uint32_t seccomp_filters = 0;
  std::vector<std::uint8_t> cpus_allowed;  // one bit per CPU, CPU 0 first
};

[[nodiscard]] Result<Status> parse_status(std::string_view text);

}  // namespace img::procfs
