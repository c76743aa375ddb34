// SPDX-License-Identifier: MIT
#include "libimg/base/staged.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <vector>

#include "libimg/base/sync.h"
#include "libimg/base/text.h"

namespace img {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<StagedPlace*> places;
  bool closed = false;
};

Registry& registry() {
  static Registry one;
  return one;
}

void remove_tree(const std::string& path) {
  // Another thread may still be adding files, so a full directory is tried again.
  for (int attempt = 0; attempt < 100; ++attempt) {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error != std::errc::directory_not_empty) {
      return;
    }
  }
}

struct Split {
  std::string folder;
  std::string name;
};

Result<Split> split_place(const std::string& place) {
  std::string path = place;
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  const std::size_t slash = path.rfind('/');
  Split split;
  split.name = slash == std::string::npos ? path : path.substr(slash + 1);
  split.folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  if (split.name.empty() || split.name == "." || split.name == "..") {
    return fail(Fault::usage, escaped(place), "no name for a destination", {},
                "give the path of something that is not there yet");
  }
  return split;
}

// A template for mkstemp and mkdtemp; long names are cut, since NAME_MAX counts this one too.
std::string hidden_template(const Split& split) {
  return split.folder + "/." + split.name.substr(0, 200) + ".stasis-XXXXXX";
}

Result<bool> is_empty_directory(const std::string& path) {
  DIR* const dir = ::opendir(path.c_str());
  if (dir == nullptr) {
    return fail(sys_error(errno, escaped(path), "open directory"));
  }
  bool empty = true;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string_view name = entry->d_name;
    empty = empty && (name == "." || name == "..");
  }
  ::closedir(dir);
  return empty;
}

}  // namespace

StagedPlace::StagedPlace(std::string place, std::string hidden)
    : place_(std::move(place)), hidden_(std::move(hidden)) {
  const std::lock_guard lock(registry().mutex);
  registry().places.push_back(this);
}

StagedPlace::~StagedPlace() {
  const std::lock_guard lock(registry().mutex);
  std::erase(registry().places, this);
  if (!renamed_) {
    remove_tree(hidden_);
  }
}

Result<void> StagedPlace::rename(unsigned flags) {
  {
    const std::lock_guard lock(registry().mutex);
    if (registry().closed) {
      return fail(Fault::gone, escaped(place_), "interrupted");
    }
    if (::renameat2(AT_FDCWD, hidden_.c_str(), AT_FDCWD, place_.c_str(), flags) != 0) {
      Error error = sys_error(errno, escaped(place_), "rename into place");
      if (errno == EBUSY || errno == EXDEV) {
        error.hint = "is it a mount point? give a new name below it";
      }
      return fail(std::move(error));
    }
    renamed_ = true;
  }
  IMG_ASSIGN(const Split split, split_place(place_));
  const UniqueFd folder(::open(split.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open() || ::fsync(folder.get()) != 0) {
    Error error = sys_error(errno, escaped(split.folder), "sync");
    // Whoever hears that it failed finds nothing there, as long as nothing was replaced.
    renamed_ =
        (flags & RENAME_NOREPLACE) == 0 ||
        ::renameat2(AT_FDCWD, place_.c_str(), AT_FDCWD, hidden_.c_str(), RENAME_NOREPLACE) != 0;
    return fail(std::move(error));
  }
  return {};
}

Result<StagedFile> StagedFile::create(const std::string& place, Replace replace) {
  IMG_ASSIGN(const Split split, split_place(place));
  struct stat there {};
  if (::lstat(place.c_str(), &there) == 0) {
    if (!S_ISREG(there.st_mode) && !S_ISLNK(there.st_mode)) {
      return fail(Fault::conflict, escaped(place), "is there, and is no regular file", {},
                  "- is standard output");
    }
    if (replace == Replace::no) {
      return fail(Fault::conflict, escaped(place), "is there", {}, "--force replaces it");
    }
  } else if (errno != ENOENT) {
    return fail(sys_error(errno, escaped(place), "look at destination"));
  }
  std::string hidden = hidden_template(split);
  StagedFile file;
  file.fd_.reset(::mkostemp(hidden.data(), O_CLOEXEC));
  if (!file.fd_.is_open()) {
    return fail(sys_error(errno, escaped(place), "create"));
  }
  file.replace_ = replace;
  file.place_ = std::make_unique<StagedPlace>(split.folder + "/" + split.name, std::move(hidden));
  if (::fchmod(file.fd(), 0600) != 0) {
    return fail(sys_error(errno, escaped(place), "set mode"));
  }
  return file;
}

Result<void> StagedFile::write(const void* bytes, std::size_t size) {
  const auto* next = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t count = ::write(fd(), next, size);
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      return fail(sys_error(errno, escaped(place_->place()), "write"));
    }
    next += count;
    size -= static_cast<std::size_t>(count);
  }
  return {};
}

Result<void> StagedFile::commit() {
  if (::fsync(fd()) != 0) {
    return fail(sys_error(errno, escaped(place_->place()), "sync"));
  }
  return place_->rename(replace_ == Replace::yes ? 0 : RENAME_NOREPLACE);
}

Result<StagedDirectory> StagedDirectory::create(const std::string& place) {
  std::string path = place;
  StagedDirectory directory;
  struct stat there {};
  if (::stat(place.c_str(), &there) == 0) {
    if (!S_ISDIR(there.st_mode)) {
      return fail(Fault::conflict, escaped(place), "is there, and is no directory");
    }
    IMG_ASSIGN(directory.was_empty_, is_empty_directory(place));
    if (!directory.was_empty_) {
      return fail(Fault::conflict, escaped(place), "is there, and not empty", {},
                  "a directory with content is never replaced");
    }
    // A link to an empty directory, or "out/.": the directory itself is what gets replaced.
    std::error_code error;
    path = std::filesystem::canonical(place, error).string();
    if (error) {
      return fail(sys_error(error.value(), escaped(place), "look at destination"));
    }
  } else if (errno != ENOENT) {
    return fail(sys_error(errno, escaped(place), "look at destination"));
  }
  IMG_ASSIGN(const Split split, split_place(path));
  std::string hidden = hidden_template(split);
  if (::mkdtemp(hidden.data()) == nullptr) {
    return fail(sys_error(errno, escaped(place), "create directory"));
  }
  directory.place_ = std::make_unique<StagedPlace>(split.folder + "/" + split.name, hidden);
  if (::chmod(hidden.c_str(), 0700) != 0) {
    return fail(sys_error(errno, escaped(place), "set mode"));
  }
  directory.fd_.reset(::open(hidden.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.fd_.is_open()) {
    return fail(sys_error(errno, escaped(place), "open directory"));
  }
  return directory;
}

Result<void> StagedDirectory::commit() {
  IMG_TRY(sync_tree(fd(), escaped(place_->place())));
  return place_->rename(was_empty_ ? 0 : RENAME_NOREPLACE);
}

void remove_all_staged() {
  const std::lock_guard lock(registry().mutex);
  registry().closed = true;
  for (const StagedPlace* place : registry().places) {
    remove_tree(place->hidden());
  }
}

}  // namespace img
