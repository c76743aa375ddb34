// SPDX-License-Identifier: MIT
// /proc/PID/fdinfo/N: what the kernel tells about an open file besides its name. Knows text only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libimg/base/result.h"

namespace img::procfs {

struct EventfdState {
  std::uint64_t count = 0;
  bool semaphore = false;
};

struct EpollTarget {
  std::uint32_t fd = 0;
  std::uint32_t events = 0;
  std::uint64_t data = 0;
  std::int64_t position = 0;
  std::uint64_t inode = 0;
  std::uint32_t device = 0;
};

struct TimerfdState {
  std::int32_t clock = 0;
  std::uint64_t ticks = 0;
  std::uint32_t settime_flags = 0;
  std::array<std::int64_t, 2> value{};  // seconds, nanoseconds, until it fires
  std::array<std::int64_t, 2> interval{};
};

struct FileHandle {
  std::uint32_t bytes = 0;
  std::uint32_t type = 0;
  std::string handle;  // in hexadecimal, as it stands
};

struct InotifyWatch {
  std::int32_t descriptor = 0;
  std::uint64_t inode = 0;
  std::uint32_t device = 0;  // as the kernel has it: major << 20 | minor
  std::uint32_t mask = 0;
  FileHandle handle;
};

struct FanotifyMark {
  enum class On { file, mount, other };  // other: a whole file system, or what is newer still
  On on = On::other;
  std::uint64_t inode = 0;
  std::uint32_t device = 0;  // as the kernel has it
  std::int32_t mount = 0;
  std::uint32_t flags = 0;  // FAN_MARK_*
  std::uint32_t mask = 0;
  std::uint32_t ignored = 0;
  FileHandle handle;
};

struct FanotifyState {
  std::uint32_t flags = 0;        // of fanotify_init(2)
  std::uint32_t event_flags = 0;  // O_* of the descriptors in events
  std::vector<FanotifyMark> marks;
};

struct FileLock {
  std::string kind;   // POSIX, OFDLCK, FLOCK, LEASE ...
  std::string state;  // ADVISORY, MANDATORY; of a lease ACTIVE, BREAKING, BREAKER
  bool writes = false;
  std::int32_t owner = 0;
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  std::uint64_t inode = 0;
  std::uint64_t start = 0;
  std::optional<std::uint64_t> end;  // none: to the end of the file
};

struct FdInfo {
  std::int64_t position = 0;
  std::uint32_t flags = 0;  // O_..., O_CLOEXEC among them
  std::int32_t mount = 0;
  std::uint64_t inode = 0;
  std::optional<EventfdState> eventfd;
  std::vector<EpollTarget> epoll;
  std::optional<std::uint64_t> signalfd_mask;
  std::optional<TimerfdState> timerfd;
  std::vector<InotifyWatch> inotify;
  std::optional<FanotifyState> fanotify;
  std::vector<FileLock> locks;
  std::optional<std::int32_t> pidfd;  // -1: reaped
  std::uint32_t scm_fds = 0;          // descriptors on their way through a unix socket
  bool io_uring = false;
};

[[nodiscard]] Result<FdInfo> parse_fdinfo(std::string_view text);

}  // namespace img::procfs
