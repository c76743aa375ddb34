// SPDX-License-Identifier: MIT
#include "live/trace/cgroup_freezer.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "live/procfs/lists.h"

namespace img::trace {
namespace {

constexpr std::size_t kMaxFileBytes = 16 << 20;  // of cgroup.procs: two million processes
constexpr std::size_t kMaxGroups = 10'000;
constexpr std::chrono::milliseconds kAskAgain{20};
constexpr int kAsksBeforeThaw = 5;

std::string_view frozen_word(bool v2) {
  return v2 ? "1" : "FROZEN";
}
std::string_view thawed_word(bool v2) {
  return v2 ? "0" : "THAWED";
}

Result<std::string> read_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.is_open()) {
    return fail(sys_error(errno, path, "open"));
  }
  std::string out;
  for (std::size_t size = 0; size < kMaxFileBytes;) {
    out.resize(size + 4096);
    const ssize_t got = ::read(fd.get(), out.data() + size, 4096);
    if (got < 0) {
      return fail(sys_error(errno, path, "read"));
    }
    size += static_cast<std::size_t>(got);
    out.resize(size);
    if (got == 0) {
      return out;
    }
  }
  return fail(Fault::limit, path, "read", "too long");
}

bool write_word(int fd, std::string_view word) {
  return ::pwrite(fd, word.data(), word.size(), 0) == static_cast<ssize_t>(word.size());
}

// The group and all below it.
Result<std::vector<std::string>> groups_of(const std::string& path) {
  std::vector<std::string> out = {path};
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(path, error), end; !error && at != end;
       at.increment(error)) {
    if (at->is_directory(error) && !at->is_symlink(error)) {
      out.push_back(at->path().string());
    }
    if (out.size() > kMaxGroups) {
      return fail(Fault::limit, path, "",
                  "more than " + std::to_string(kMaxGroups) + " groups in it");
    }
  }
  if (error) {
    return fail(sys_error(error.value(), path, "read"));
  }
  return out;
}

Result<std::vector<pid_t>> members_of(const std::vector<std::string>& groups) {
  std::vector<pid_t> out;
  for (const std::string& group : groups) {
    IMG_ASSIGN(std::string text, read_file(group + "/cgroup.procs"));
    std::replace(text.begin(), text.end(), '\n', ' ');
    IMG_ASSIGN(const auto pids, procfs::parse_children(text));
    out.insert(out.end(), pids.begin(), pids.end());
  }
  return out;
}

// By its own doing, not its parent's.
bool is_frozen(const std::string& group, bool v2) {
  const auto state = read_file(group + (v2 ? "/cgroup.freeze" : "/freezer.self_freezing"));
  return state && state->starts_with('1');
}

// Only calls that are safe after a fork of a process with threads.
[[noreturn]] void guard(int pipe, int control, bool v2) {
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  char byte = 0;
  while (::read(pipe, &byte, 1) < 0 && errno == EINTR) {
  }
  static_cast<void>(write_word(control, thawed_word(v2)));
  ::_exit(0);
}

}  // namespace

CgroupFreezer::CgroupFreezer(CgroupFreezer&& other) noexcept
    : path_(std::move(other.path_)),
      is_v2_(other.is_v2_),
      control_(std::move(other.control_)),
      guard_(std::move(other.guard_)),
      guard_pid_(std::exchange(other.guard_pid_, -1)),
      members_(std::move(other.members_)) {}

Result<CgroupFreezer> CgroupFreezer::freeze(const std::string& path, Deadline deadline) {
  CgroupFreezer out;
  out.path_ = path;
  out.is_v2_ = ::access((path + "/cgroup.freeze").c_str(), F_OK) == 0;
  const std::string control = path + (out.is_v2_ ? "/cgroup.freeze" : "/freezer.state");
  out.control_ = UniqueFd(::open(control.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!out.control_.is_open()) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return fail(Fault::missing, path, "", "it is no cgroup that can be frozen",
                  "give the folder of a v1 freezer group or of a v2 group below the root");
    }
    return fail(sys_error(errno, control, "open"));
  }
  IMG_ASSIGN(const auto groups, groups_of(path));
  for (const std::string& group : groups) {
    if (is_frozen(group, out.is_v2_)) {
      return fail(Fault::conflict, group, "", "it is frozen already", "thaw it first");
    }
  }
  IMG_ASSIGN(const auto before, members_of(groups));
  if (std::count(before.begin(), before.end(), ::getpid()) != 0) {
    return fail(Fault::usage, path, "", "this program itself is in it", "start it elsewhere");
  }
  IMG_TRY(out.start_guard());
  if (!write_word(out.control_.get(), frozen_word(out.is_v2_))) {
    return fail(sys_error(errno, control, "freeze"));
  }
  IMG_TRY(out.wait_until_frozen(deadline));
  IMG_ASSIGN(const auto now, groups_of(path));
  IMG_ASSIGN(out.members_, members_of(now));
  return out;
}

Result<void> CgroupFreezer::start_guard() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return fail(sys_error(errno, path_, "pipe"));
  }
  const UniqueFd ours(ends[0]);
  guard_.reset(ends[1]);
  guard_pid_ = ::fork();
  if (guard_pid_ == 0) {
    ::close(ends[1]);
    guard(ends[0], control_.get(), is_v2_);
  }
  return guard_pid_ > 0 ? Result<void>{} : fail(sys_error(errno, path_, "fork"));
}

Result<void> CgroupFreezer::wait_until_frozen(Deadline deadline) {
  const std::string file = path_ + (is_v2_ ? "/cgroup.events" : "/freezer.state");
  Clock::time_point asked = Clock::now();
  int asks = 0;
  for (Patience patience(WaitSource::system());; patience.wait()) {
    IMG_ASSIGN(const std::string state, read_file(file));
    if (is_v2_ ? state.find("frozen 1") != std::string::npos : state == "FROZEN\n") {
      return {};
    }
    if (Clock::now() > deadline) {
      return fail(Fault::limit, path_, "freeze", "not all of its tasks stopped in time");
    }
    // A v1 group can stay at FREEZING because of a task that was asked in a moment when it could
    // not (vfork, exec). Asked again it follows, or else after it has run a little.
    if (!is_v2_ && Clock::now() - asked > kAskAgain) {
      asked = Clock::now();
      if (++asks % kAsksBeforeThaw == 0) {
        static_cast<void>(write_word(control_.get(), thawed_word(is_v2_)));
      }
      static_cast<void>(write_word(control_.get(), frozen_word(is_v2_)));
    }
  }
}

void CgroupFreezer::thaw() {
  if (guard_pid_ <= 0) {
    return;
  }
  static_cast<void>(write_word(control_.get(), thawed_word(is_v2_)));
  guard_.reset();  // and the guard does so too, which changes nothing
  while (::waitpid(guard_pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  guard_pid_ = -1;
}

}  // namespace img::trace
