// SPDX-License-Identifier: MIT
#include "libimg/base/spool.h"

#include <fcntl.h>
#include <stdlib.h>

#include <cerrno>

namespace img {

// Not every file system has files without a name.
Result<UniqueFd> nameless_file(const std::string& directory) {
  UniqueFd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (file.is_open()) {
    return file;
  }
  if (errno != EOPNOTSUPP && errno != EISDIR) {
    return fail(sys_error(errno, directory, "create a temporary file"));
  }
  std::string name = directory + "/stasis-XXXXXX";
  file.reset(::mkostemp(name.data(), O_CLOEXEC));
  if (!file.is_open()) {
    return fail(sys_error(errno, directory, "create a temporary file"));
  }
  ::unlink(name.c_str());
  return file;
}

std::string temporary_directory() {
  const char* const given = ::getenv("TMPDIR");
  return given != nullptr && *given != '\0' ? given : "/tmp";
}

Result<UniqueFd> large_nameless_file() {
  const char* const chosen = ::getenv("TMPDIR");
  for (const char* folder : {chosen, "/var/tmp"}) {
    if (folder != nullptr && *folder != '\0') {
      if (Result<UniqueFd> file = nameless_file(folder)) {
        return file;
      }
    }
  }
  return nameless_file("/tmp");
}

void Spool::clear() {
  memory_.clear();
  mapped_ = {};
  file_.reset();
  in_file_ = 0;
}

Result<void> Spool::write(Bytes bytes) {
  if (memory_.size() + bytes.size() > kInMemory) {
    IMG_TRY(spill());
    if (bytes.size() > kInMemory) {
      IMG_TRY(write_all(file_.get(), bytes, "temporary file"));
      in_file_ += bytes.size();
      return {};
    }
  }
  memory_.insert(memory_.end(), bytes.begin(), bytes.end());
  return {};
}

Result<void> Spool::spill() {
  if (!file_.is_open()) {
    IMG_ASSIGN(file_, nameless_file(directory_));
  }
  IMG_TRY(write_all(file_.get(), memory_, "temporary file"));
  in_file_ += memory_.size();
  memory_.clear();
  return {};
}

Result<Bytes> Spool::bytes() {
  if (in_file_ == 0) {
    return Bytes(memory_);
  }
  if (!memory_.empty() || mapped_.bytes().size() != in_file_) {
    IMG_TRY(spill());
    mapped_ = {};
    IMG_ASSIGN(mapped_, MappedFile::map(file_.get(), in_file_, "temporary file"));
  }
  return mapped_.bytes();
}

}  // namespace img
