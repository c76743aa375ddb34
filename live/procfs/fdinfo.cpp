// SPDX-License-Identifier: MIT
#include "live/procfs/fdinfo.h"

#include "libimg/base/scanner.h"

namespace img::procfs {
namespace {

// epoll takes fs.epoll.max_user_watches, millions; no program we met has more than thousands.
constexpr std::size_t kMaxEntries = 1U << 20;

bool take_times(Scanner in, std::array<std::int64_t, 2>& out) {
  return in.skip("(") && in.take(out[0]) && in.skip(", ") && in.take(out[1]) && in.skip(")");
}

// "tfd: 5 events: 19 data: 5  pos:0 ino:61 sdev:7"
bool take_epoll(Scanner in, FdInfo& out) {
  EpollTarget one;
  const bool ok = in.skip_blanks().take(one.fd) && in.skip_blanks().skip("events:") &&
                  in.skip_blanks().take(one.events, 16) && in.skip_blanks().skip("data:") &&
                  in.skip_blanks().take(one.data, 16);
  if (ok && in.skip_blanks().skip("pos:")) {  // since Linux 4.13
    if (!in.take(one.position) || !in.skip(" ino:") || !in.take(one.inode, 16) ||
        !in.skip(" sdev:") || !in.take(one.device, 16)) {
      return false;
    }
  }
  out.epoll.push_back(one);
  return ok;
}

// "fhandle-bytes:8 fhandle-type:1 f_handle:6100...", where there is one.
bool take_handle(Scanner& in, FileHandle& out) {
  if (!in.skip_blanks().skip("fhandle-bytes:")) {
    return true;
  }
  if (!in.take(out.bytes, 16) || !in.skip(" fhandle-type:") || !in.take(out.type, 16) ||
      !in.skip(" f_handle:")) {
    return false;
  }
  out.handle = in.word();
  return true;
}

// "wd:1 ino:61 sdev:7 mask:fce ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:6100..."
bool take_inotify(Scanner in, FdInfo& out) {
  InotifyWatch one;
  const bool ok = in.skip(" wd:") && in.take(one.descriptor, 16) && in.skip(" ino:") &&
                  in.take(one.inode, 16) && in.skip(" sdev:") && in.take(one.device, 16) &&
                  in.skip(" mask:") && in.take(one.mask, 16);
  if (ok && in.skip(" ignored_mask:")) {
    in.word();
  }
  const bool has_all = ok && take_handle(in, one.handle);
  out.inotify.push_back(std::move(one));
  return has_all;
}

// "flags:10 event-flags:8000"
// "ino:61 sdev:7 mflags:0 mask:3b ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:6100..."
// "mnt_id:1d mflags:40 mask:40000020 ignored_mask:3", "sdev:7 mflags:0 ...": all in hexadecimal
bool take_fanotify(Scanner in, FdInfo& out) {
  FanotifyState& state = out.fanotify ? *out.fanotify : out.fanotify.emplace();
  if (in.skip(" flags:")) {
    return in.take(state.flags, 16) && in.skip(" event-flags:") && in.take(state.event_flags, 16);
  }
  FanotifyMark one;
  bool ok = true;
  if (in.skip(" ino:")) {
    one.on = FanotifyMark::On::file;
    ok = in.take(one.inode, 16) && in.skip(" sdev:") && in.take(one.device, 16);
  } else if (in.skip(" mnt_id:")) {
    one.on = FanotifyMark::On::mount;
    ok = in.take(one.mount, 16);
  } else {
    in.word();
  }
  ok = ok && in.skip(" mflags:") && in.take(one.flags, 16) && in.skip(" mask:") &&
       in.take(one.mask, 16) && in.skip(" ignored_mask:") && in.take(one.ignored, 16) &&
       take_handle(in, one.handle);
  state.marks.push_back(std::move(one));
  return ok;
}

// "1: POSIX  ADVISORY  WRITE 1234 08:01:5678 0 EOF"
bool take_lock(Scanner in, FdInfo& out) {
  FileLock one;
  std::uint64_t number = 0;
  if (!in.skip_blanks().take(number) || !in.skip(":")) {
    return false;
  }
  in.skip_blanks();
  if (in.skip("-> ")) {  // a waiter, which is no lock of this file's
    return true;
  }
  one.kind = in.word();
  one.state = in.word();
  one.writes = in.word() == "WRITE";
  const bool ok = in.skip_blanks().take(one.owner) && in.skip_blanks().take(one.device_major, 16) &&
                  in.skip(":") && in.take(one.device_minor, 16) && in.skip(":") &&
                  in.take(one.inode) && in.skip_blanks().take(one.start) && !one.kind.empty();
  if (ok && !in.skip_blanks().skip("EOF")) {
    one.end = in.number<std::uint64_t>();
    if (!one.end) {
      return false;
    }
  }
  out.locks.push_back(std::move(one));
  return ok;
}

bool take_timerfd(std::string_view key, Scanner in, FdInfo& out) {
  TimerfdState& timer = out.timerfd ? *out.timerfd : out.timerfd.emplace();
  if (key == "clockid") {
    return in.take(timer.clock);
  }
  if (key == "ticks") {
    return in.take(timer.ticks);
  }
  if (key == "settime flags") {
    return in.take(timer.settime_flags, 8);
  }
  return take_times(in, key == "it_value" ? timer.value : timer.interval);
}

bool is_timerfd(std::string_view key) {
  return key == "clockid" || key == "ticks" || key == "settime flags" || key == "it_value" ||
         key == "it_interval";
}

bool take_eventfd(std::string_view key, Scanner in, FdInfo& out) {
  EventfdState& event = out.eventfd ? *out.eventfd : out.eventfd.emplace();
  if (key == "eventfd-count") {
    return in.take(event.count, 16);
  }
  event.semaphore = in.rest() == "1";
  return true;
}

bool take_simple(std::string_view key, Scanner in, FdInfo& out) {
  if (key == "pos") {
    return in.take(out.position);
  }
  if (key == "flags") {
    return in.take(out.flags, 8);
  }
  if (key == "mnt_id") {
    return in.take(out.mount);
  }
  if (key == "ino") {
    return in.take(out.inode);
  }
  if (key == "sigmask") {
    out.signalfd_mask = in.number<std::uint64_t>(16);
    return out.signalfd_mask.has_value();
  }
  if (key == "Pid") {
    out.pidfd = in.number<std::int32_t>();
    return out.pidfd.has_value();
  }
  if (key == "scm_fds") {
    return in.take(out.scm_fds);
  }
  out.io_uring = out.io_uring || key == "SqMask" || key == "SqThread";
  return true;
}

bool take_line(std::string_view line, FdInfo& out) {
  if (line.starts_with("inotify")) {
    return take_inotify(Scanner(line.substr(7)), out);
  }
  if (line.starts_with("fanotify")) {
    return take_fanotify(Scanner(line.substr(8)), out);
  }
  Scanner in(line);
  const std::string_view key = in.until(':');
  if (key == "tfd") {
    return take_epoll(in, out);
  }
  if (key == "lock") {
    return take_lock(in, out);
  }
  in.skip_blanks();
  if (is_timerfd(key)) {
    return take_timerfd(key, in, out);
  }
  if (key == "eventfd-count" || key == "eventfd-semaphore") {
    return take_eventfd(key, in, out);
  }
  return take_simple(key, in, out);
}

}  // namespace

Result<FdInfo> parse_fdinfo(std::string_view text) {
  FdInfo out;
  std::size_t lines = 0;
  for (Scanner in(text); !in.at_end();) {
    const std::string_view line = in.line();
    if (++lines > kMaxEntries || !take_line(line, out)) {
      return malformed("fdinfo", line.substr(0, 100));
    }
  }
  return out;
}

}  // namespace img::procfs
