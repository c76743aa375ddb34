// SPDX-License-Identifier: MIT
#include "libimg/base/sync.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <future>
#include <memory>
#include <vector>

#include "libimg/base/unique_fd.h"

namespace img {
namespace {

constexpr std::size_t kFew = 16;

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

int sync_one(int fd) {
  return ::fsync(fd) == 0 ? 0 : errno;
}

// Adds what is below a directory; false when these are no longer few, or not all could be opened.
bool add_content(int directory, std::vector<UniqueFd>& out) {
  const int copy = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, CloseDirectory> entries(copy < 0 ? nullptr : ::fdopendir(copy));
  if (entries == nullptr) {
    return false;
  }
  while (const dirent* entry = ::readdir(entries.get())) {
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) {
      continue;
    }
    if (out.size() == kFew || (entry->d_type != DT_REG && entry->d_type != DT_DIR)) {
      return false;
    }
    UniqueFd file(::openat(directory, entry->d_name,
                           O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!file.is_open()) {
      return false;
    }
    const int fd = file.get();
    out.push_back(std::move(file));
    if (entry->d_type == DT_DIR && !add_content(fd, out)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<void> sync_files(std::span<const int> files, const std::string& thing) {
  std::vector<std::future<int>> others;
  for (std::size_t i = 1; i < files.size(); ++i) {
    others.push_back(std::async(std::launch::async, sync_one, files[i]));
  }
  int error = files.empty() ? 0 : sync_one(files.front());
  for (std::future<int>& other : others) {
    const int its = other.get();
    error = error == 0 ? its : error;
  }
  return error == 0 ? Result<void>() : fail(sys_error(error, thing, "sync"));
}

Result<void> sync_tree(int directory, const std::string& thing) {
  std::vector<UniqueFd> opened;
  if (add_content(directory, opened)) {
    std::vector<int> files{directory};
    for (const UniqueFd& file : opened) {
      files.push_back(file.get());
    }
    return sync_files(files, thing);
  }
  return ::syncfs(directory) == 0 ? Result<void>() : fail(sys_error(errno, thing, "sync"));
}

}  // namespace img
