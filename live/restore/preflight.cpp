// SPDX-License-Identifier: MIT
#include "live/restore/preflight.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "libimg/base/build_id.h"
#include "libimg/base/text.h"
#include "libimg/base/unique_fd.h"
#include "libimg/check/finding.h"
#include "live/procfs/proc_dir.h"
#include "live/restore/cgroup_yard.h"

namespace img::restore {
namespace {

constexpr std::chrono::seconds kReapTime{5};

bool is_zombie(pid_t pid) {
  const Result<procfs::ProcDir> dir = procfs::ProcDir::open(pid);
  if (!dir) {
    return false;
  }
  const Result<procfs::Stat> stat = dir->stat();
  return stat && stat->is_zombie();
}

class Preflight {
 public:
  Preflight(const plan::Plan& plan, const plan::Credentials& ours, const PreflightOptions& options)
      : ours_(ours), options_(options), yard_(plan.hierarchies) {}

  void ask(const plan::FreePid& expected);
  void ask(const plan::FilePresent& expected);
  void ask(const plan::SocketOrNothing& expected);
  void ask(const plan::CgroupPresent& expected);
  void ask(const plan::Capability& expected);
  [[nodiscard]] std::vector<state::Refusal> take() { return std::move(reasons_); }

 private:
  void refuse(const std::string& rule, const std::string& path, std::string why,
              const std::string& also = {});
  void ask_build_id(const plan::FilePresent& expected, int file);

  const plan::Credentials& ours_;
  const PreflightOptions& options_;
  CgroupYard yard_;
  std::vector<state::Refusal> reasons_;
};

void Preflight::refuse(const std::string& rule, const std::string& path, std::string why,
                       const std::string& also) {
  if (!is_ignored(options_.ignored, rule, path)) {
    const std::string hint = also + "--ignore " + rule + ":" + escaped(path);
    reasons_.push_back(state::refusal_because(
        state::Piece::file_changed,
        make_error(Fault::conflict, escaped(path), "changed", std::move(why), hint)));
  }
}

// A number may also be in use as that of a group or session whose leader has ended.
void Preflight::ask(const plan::FreePid& expected) {
  const auto pid = static_cast<pid_t>(expected.pid);
  const std::string entry = "/proc/" + std::to_string(pid);
  // One that has ended keeps its pid until its parent has reaped it, and pid 1 takes its time.
  const auto limit = std::chrono::steady_clock::now() + kReapTime;
  while (is_zombie(pid) && std::chrono::steady_clock::now() < limit) {
    ::usleep(10'000);
  }
  const bool is_there = ::access(entry.c_str(), F_OK) == 0;
  if (is_there || ::kill(-pid, 0) == 0 || errno == EPERM) {
    reasons_.push_back(
        state::refusal_because(state::Piece::pid_in_use,
                               make_error(Fault::conflict, "pid " + std::to_string(pid), "in use",
                                          is_there ? "by a task" : "as a group or session",
                                          "unshare -pfm --mount-proc live-restore ...")));
  }
}

void Preflight::ask(const plan::Capability& expected) {
  const auto has = [&](unsigned number) { return (ours_.effective >> number & 1) != 0; };
  if (!has(expected.number) && !has(expected.or_else)) {
    reasons_.push_back(state::refusal_because(
        state::Piece::our_capability,
        make_error(Fault::denied, "capability " + std::to_string(expected.number), "missing",
                   expected.why, "run it as root")));
  }
}

void Preflight::ask_build_id(const plan::FilePresent& expected, int file) {
  const std::vector<std::byte> here = gnu_build_id(file);
  if (!here.empty() && !is_build_id(here, expected.build_id)) {
    refuse("REG-6", expected.path, "its build id is another one");
  }
}

void Preflight::ask(const plan::FilePresent& expected) {
  const std::string path = options_.root + expected.path;
  struct stat found {};
  if (::lstat(path.c_str(), &found) < 0 ||
      (S_ISLNK(found.st_mode) && !S_ISLNK(expected.mode) && ::stat(path.c_str(), &found) < 0)) {
    Error error = sys_error(errno, escaped(expected.path), "open");
    error.hint = expected.hint;
    reasons_.push_back(state::refusal_because(state::Piece::file_missing, std::move(error)));
    return;
  }
  if (expected.mode != 0 && found.st_mode != expected.mode) {
    refuse("REG-5", expected.path, "its type or permissions are others");
  }
  if (!S_ISREG(found.st_mode)) {
    return;
  }
  const auto size = static_cast<std::uint64_t>(found.st_size);
  if (expected.has_size && size != expected.size) {
    refuse("REG-4", expected.path,
           "it has " + std::to_string(size) + " bytes, not " + std::to_string(expected.size),
           size > expected.size ? "--truncate " + escaped(expected.path) + " or " : "");
  }
  if (!expected.build_id.empty()) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (file.is_open()) {
      ask_build_id(expected, file.get());
    }
  }
}

void Preflight::ask(const plan::CgroupPresent& expected) {
  if (auto usable = yard_.check(expected); !usable) {
    reasons_.push_back(
        state::refusal_because(state::Piece::cgroup_missing, std::move(usable).error()));
  }
}

void Preflight::ask(const plan::SocketOrNothing& expected) {
  const std::string path = options_.root + expected.path;
  struct stat found {};
  if (::lstat(path.c_str(), &found) < 0) {
    return;
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const bool fits = path.size() < sizeof address.sun_path;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (!S_ISSOCK(found.st_mode)) {
    reasons_.push_back(state::refusal(state::Piece::socket_name_taken, escaped(expected.path), {},
                                      "move it away"));
    return;
  }
  bool is_used = false;
  for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) {
    const UniqueFd asking(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    is_used = is_used || (fits && ::connect(asking.get(), reinterpret_cast<sockaddr*>(&address),
                                            sizeof address) == 0);
  }
  if (is_used) {
    reasons_.push_back(state::refusal(state::Piece::socket_name_in_use, escaped(expected.path), {},
                                      "end who listens there"));
  }
}

}  // namespace

Result<Ignored> parse_ignored(const std::string& text) {
  const std::size_t colon = text.find(':');
  const check::Rule* rule = check::find_rule(text.substr(0, colon));
  if (rule == nullptr) {
    return fail(Fault::usage, "--ignore " + text, "no such rule", {},
                "img-check --list-rules lists them");
  }
  return Ignored{std::string(rule->id), colon == std::string::npos ? "" : text.substr(colon + 1)};
}

bool is_ignored(const std::vector<Ignored>& ignored, const std::string& rule,
                const std::string& what) {
  return std::any_of(ignored.begin(), ignored.end(), [&](const Ignored& one) {
    return one.rule == rule &&
           (one.glob.empty() || ::fnmatch(one.glob.c_str(), what.c_str(), 0) == 0);
  });
}

std::vector<state::Refusal> preflight(const plan::Plan& plan, const plan::Credentials& ours,
                                      const PreflightOptions& options) {
  Preflight preflight(plan, ours, options);
  for (const plan::Expectation& expected : plan.expectations) {
    std::visit([&](const auto& one) { preflight.ask(one); }, expected);
  }
  return preflight.take();
}

}  // namespace img::restore
