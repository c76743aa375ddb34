// SPDX-License-Identifier: MIT
#include "libimg/criu/image_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "libimg/base/unique_fd.h"

namespace img::criu {
namespace {

std::string_view type_name(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return "a directory";
    case S_IFIFO: return "a fifo";
    case S_IFSOCK: return "a socket";
    case S_IFLNK: return "a symbolic link";
    default: return "a device";
  }
}

}  // namespace

Bytes ImageFileBytes::lend(Bytes bytes) {
  mapped_ = MappedFile();
  damage_.reset();
  return bytes;
}

Failure ImageFileBytes::refuse(DamageKind kind, const std::string& name, std::string text) {
  damage_ = Damage{kind, name, 0, 0, {}, std::move(text)};
  return fail(damage_->error());
}

Result<Bytes> ImageFileBytes::open(int directory, const std::string& name,
                                   const std::string& place) {
  mapped_ = MappedFile();
  damage_.reset();
  const UniqueFd fd(
      ::openat(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!fd.is_open()) {
    if (errno == ENOENT) {
      return refuse(DamageKind::missing, name, "is not there");
    }
    if (errno == ELOOP || errno == ENXIO) {
      return refuse(
          DamageKind::not_regular, name,
          errno == ELOOP ? "is a symbolic link, not a file" : "is a socket or device, not a file");
    }
    return fail(sys_error(errno, place + "/" + name, "cannot open"));
  }
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) {
    return fail(sys_error(errno, place + "/" + name, "cannot stat"));
  }
  if (!S_ISREG(status.st_mode)) {
    return refuse(DamageKind::not_regular, name,
                  std::string("is ") + std::string(type_name(status.st_mode)) + ", not a file");
  }
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > read_at_most_) {
    IMG_ASSIGN(mapped_, MappedFile::map(fd.get(), size, place + "/" + name));
    return mapped_.bytes();
  }
  if (buffer_.size() < size) {
    buffer_.resize(size);
  }
  std::size_t have = 0;
  while (have < size) {
    const ssize_t got =
        ::pread(fd.get(), buffer_.data() + have, size - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail(sys_error(errno, place + "/" + name, "cannot read"));
    }
    if (got == 0) {
      break;  // it became shorter: judged by what is there
    }
    have += static_cast<std::size_t>(got);
  }
  return Bytes(buffer_.data(), have);
}

}  // namespace img::criu
