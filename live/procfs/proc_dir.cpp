// SPDX-License-Identifier: MIT
#include "live/procfs/proc_dir.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>

#include "libimg/base/scanner.h"
#include "live/procfs/lists.h"

namespace img::procfs {
namespace {

// smaps of 65,530 mappings is some 60 MB; nothing else comes near.
constexpr std::size_t kMaxFileBytes = std::size_t{128} << 20;
constexpr std::size_t kReadBytes = 64 << 10;

struct CloseDirectory {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

}  // namespace

Result<ProcDir> ProcDir::open_path(std::string path) {
  UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) {
    const int sys_errno = errno;
    if (sys_errno == ENOENT || sys_errno == ESRCH) {
      return fail(Fault::gone, "process " + path.substr(6), "", "no such process");
    }
    return fail(sys_error(sys_errno, std::move(path), "open"));
  }
  return ProcDir(std::move(fd), std::move(path));
}

Result<ProcDir> ProcDir::open(pid_t pid) {
  return open_path("/proc/" + std::to_string(pid));
}

Result<ProcDir> ProcDir::open_thread(pid_t pid, pid_t tid) {
  return open_path("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid));
}

Error ProcDir::error(const char* file, int sys_errno) const {
  // A file of /proc/PID that is not there means a kernel without it, if the task still is.
  const bool gone =
      sys_errno == ESRCH || (sys_errno == ENOENT && ::faccessat(fd_.get(), "stat", F_OK, 0) != 0);
  Error out = sys_error(sys_errno, name_ + "/" + file, "read");
  if (gone) {
    out.fault = Fault::gone;
    out.why = "the process has ended";
  }
  return out;
}

Result<UniqueFd> ProcDir::open_file(const char* file, int flags) const {
  UniqueFd out(::openat(fd_.get(), file, flags | O_CLOEXEC));
  if (!out.is_open()) {
    return fail(error(file, errno));
  }
  return out;
}

Result<std::string> ProcDir::read(const char* file) const {
  IMG_ASSIGN(const UniqueFd in, open_file(file, O_RDONLY));
  std::string out;
  for (std::size_t size = 0;;) {
    // Small files are most of them, and get by with one small buffer.
    out.resize(size + (size == 0 ? 4096 : kReadBytes));
    const ssize_t got = ::read(in.get(), out.data() + size, out.size() - size);
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail(error(file, errno));
    }
    size += static_cast<std::size_t>(got);
    if (got == 0) {
      out.resize(size);
      return out;
    }
    if (size > kMaxFileBytes) {
      return fail(Fault::limit, name_ + "/" + file, "read", "it is larger than any we know");
    }
  }
}

Result<std::string> ProcDir::link(const char* file) const {
  std::string out(PATH_MAX, '\0');
  const ssize_t length = ::readlinkat(fd_.get(), file, out.data(), out.size());
  if (length < 0) {
    return fail(error(file, errno));
  }
  out.resize(static_cast<std::size_t>(length));
  return out;
}

Result<std::vector<std::int32_t>> ProcDir::numbers(const char* folder) const {
  IMG_ASSIGN(UniqueFd fd, open_file(folder, O_RDONLY | O_DIRECTORY));
  const std::unique_ptr<DIR, CloseDirectory> dir(::fdopendir(fd.get()));
  if (dir == nullptr) {
    return fail(error(folder, errno));
  }
  static_cast<void>(fd.release());
  std::vector<std::int32_t> out;
  errno = 0;
  while (const dirent* entry = ::readdir(dir.get())) {
    Scanner name(entry->d_name);
    std::int32_t number = 0;
    if (name.take(number) && name.at_end()) {
      out.push_back(number);
    }
    errno = 0;
  }
  if (errno != 0) {
    return fail(error(folder, errno));
  }
  std::sort(out.begin(), out.end());
  return out;
}

template <class Parse>
auto ProcDir::parsed(const char* file, Parse parse) const {
  using Out = decltype(parse(std::string_view{}));
  auto text = read(file);
  if (!text) {
    return Out(fail(std::move(text).error()));
  }
  Out out = parse(*text);
  if (!out) {
    Error error = std::move(out).error();
    error.thing = name_ + "/" + file;
    return Out(fail(std::move(error)));
  }
  return out;
}

Result<Stat> ProcDir::stat() const {
  return parsed("stat", parse_stat);
}
Result<Status> ProcDir::status() const {
  return parsed("status", parse_status);
}
Result<std::vector<Mapping>> ProcDir::maps() const {
  return parsed("maps", parse_maps);
}

Result<std::vector<std::int32_t>> ProcDir::children_of_thread(std::int32_t tid) const {
  const std::string file = "task/" + std::to_string(tid) + "/children";
  return parsed(file.c_str(), parse_children);
}

Result<std::vector<std::int32_t>> ProcDir::children() const {
  std::vector<std::int32_t> out;
  IMG_ASSIGN(const std::vector<std::int32_t> tids, threads());
  for (const std::int32_t tid : tids) {
    const auto some = children_of_thread(tid);
    if (!some && some.error().fault == Fault::gone) {
      continue;
    }
    IMG_TRY(some);
    out.insert(out.end(), some->begin(), some->end());
  }
  return out;
}

}  // namespace img::procfs
