// SPDX-License-Identifier: MIT
#include "libimg/check/host.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>

#include "libimg/base/build_id.h"
#include "libimg/base/bytes.h"
#include "libimg/base/file.h"
#include "libimg/base/mapped_file.h"

namespace img::check {
namespace {

constexpr std::size_t kMostText = 1 << 20;

std::optional<std::uint32_t> parse_id(std::string_view text) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(id)
                                                                  : std::nullopt;
}

/// Group and session of a process, the fifth and sixth word of its stat.
std::pair<std::uint32_t, std::uint32_t> group_and_session(const std::string& stat) {
  const std::size_t name_end = stat.rfind(')');
  int group = 0;
  int session = 0;
  if (name_end == std::string::npos ||
      std::sscanf(stat.c_str() + name_end + 1, " %*c %*d %d %d", &group, &session) != 2) {
    return {};
  }
  return {static_cast<std::uint32_t>(group), static_cast<std::uint32_t>(session)};
}

}  // namespace

Result<Host> Host::open(Places places, Machine machine) {
  Host host;
  IMG_ASSIGN(host.root_, open_directory(AT_FDCWD, places.root, places.root));
  IMG_ASSIGN(host.system_, open_directory(AT_FDCWD, places.system, places.system));
  host.is_root_given_ = places.is_root_given;
  host.machine_ = std::move(machine);
  return host;
}

Result<UniqueFd> Host::find(std::string_view path, int flags) const {
  const std::string name(path);
  open_how how = {};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, root_.get(), name.c_str(), &how, sizeof(how));
  if (fd < 0) {
    const bool is_missing = errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
    return fail(is_missing ? Fault::missing : Fault::denied, name, "look", std::strerror(errno));
  }
  return UniqueFd(static_cast<int>(fd));
}

Result<HostFile> Host::file(std::string_view path) const {
  IMG_ASSIGN(const UniqueFd fd, find(path, O_PATH));
  struct stat found = {};
  if (::fstat(fd.get(), &found) != 0) {
    return fail(Fault::denied, std::string(path), "look", std::strerror(errno));
  }
  return HostFile{found.st_mode, static_cast<std::uint64_t>(found.st_size), found.st_nlink};
}

Result<std::vector<std::byte>> Host::build_id(std::string_view path) const {
  const std::string name(path);
  IMG_ASSIGN(const UniqueFd fd, find(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat found = {};
  if (::fstat(fd.get(), &found) != 0 || !S_ISREG(found.st_mode)) {
    return std::vector<std::byte>{};
  }
  return gnu_build_id(fd.get());
}

Result<std::string> Host::text(const std::string& path) const {
  const UniqueFd fd(::openat(system_.get(), path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) {
    return fail(errno == ENOENT ? Fault::missing : Fault::denied, "/" + path, "read",
                std::strerror(errno));
  }
  std::string all;
  char block[16384];
  while (all.size() < kMostText) {
    const ssize_t count = ::read(fd.get(), block, sizeof(block));
    if (count < 0) {
      return fail(Fault::denied, "/" + path, "read", std::strerror(errno));
    }
    if (count == 0) {
      break;
    }
    all.append(block, static_cast<std::size_t>(count));
  }
  return all;
}

std::optional<std::uint64_t> Host::number(const std::string& path) const {
  const Result<std::string> all = text(path);
  if (!all) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(all->data(), all->data() + all->size(), value);
  return error == std::errc{} ? std::optional(value) : std::nullopt;
}

bool Host::has(const std::string& path) const {
  return ::faccessat(system_.get(), path.c_str(), F_OK, 0) == 0;
}

bool Host::has_program(std::string_view name) const {
  for (const char* directory :
       {"usr/sbin/", "usr/bin/", "sbin/", "bin/", "usr/local/sbin/", "usr/local/bin/"}) {
    if (has(directory + std::string(name))) {
      return true;
    }
  }
  return false;
}

void Host::read_ids() const {
  has_read_ids_ = true;
  ids_.clear();
  const int fd = ::openat(system_.get(), "proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(fd < 0 ? nullptr : ::fdopendir(fd),
                                                      ::closedir);
  if (directory == nullptr) {
    return;
  }
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::optional<std::uint32_t> pid = parse_id(entry->d_name);
    if (!pid || *pid == machine_.pid) {
      continue;
    }
    const Result<std::string> stat = text("proc/" + std::string(entry->d_name) + "/stat");
    if (!stat) {
      continue;  // it has ended meanwhile
    }
    const auto [group, session] = group_and_session(*stat);
    ids_.insert({*pid, group, session});
    knows_ids_ = knows_ids_ || *pid == 1;
  }
}

const std::unordered_set<std::uint32_t>* Host::ids_in_use() const {
  if (!has_read_ids_) {
    read_ids();
  }
  return knows_ids_ ? &ids_ : nullptr;
}

bool Host::is_zombie(std::uint32_t pid) const {
  const Result<std::string> stat = text("proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = stat ? stat->rfind(')') : std::string::npos;
  const std::string_view state =
      name_end == std::string::npos ? "" : std::string_view(*stat).substr(name_end + 1, 2);
  return state == " Z" || state == " X";
}

bool Host::is_thread(std::uint32_t tid) const {
  return tid != machine_.pid && has("proc/" + std::to_string(tid) + "/stat");
}

}  // namespace img::check
