// SPDX-License-Identifier: MIT
#include "libimg/base/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "libimg/base/assert.h"

namespace img {
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

Result<UniqueFd> open_regular(int directory, const std::string& name, int flags,
                              const std::string& thing) {
  UniqueFd fd(
      ::openat(directory, name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!fd.is_open()) {
    if (errno == ELOOP) {
      return fail(Fault::unsupported, thing, "open", "is a symbolic link, not a file");
    }
    if (errno == ENXIO) {
      return fail(Fault::unsupported, thing, "open", "is a socket or device, not a file");
    }
    return fail(sys_error(errno, thing, "open"));
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    return fail(sys_error(errno, thing, "stat"));
  }
  if (!S_ISREG(status.st_mode)) {
    return fail(Fault::unsupported, thing, "open",
                fmt::format("is {}, not a file", type_name(status.st_mode)));
  }
  return fd;
}

Result<UniqueFd> open_directory(int directory, const std::string& name, const std::string& thing) {
  UniqueFd fd(::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.is_open()) {
    return fail(sys_error(errno, thing, "open"));
  }
  return fd;
}

Result<UniqueFd> create_file(int directory, const std::string& name, const std::string& thing) {
  UniqueFd fd(::openat(directory, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.is_open() || ::fchmod(fd.get(), 0600) != 0) {
    return fail(sys_error(errno, thing, "create"));
  }
  return fd;
}

Result<UniqueFd> create_directory(int directory, const std::string& name,
                                  const std::string& thing) {
  // A umask may take even our own bits away, so: make, then set, then open.
  if (::mkdirat(directory, name.c_str(), 0700) != 0 ||
      ::fchmodat(directory, name.c_str(), 0700, 0) != 0) {
    return fail(sys_error(errno, thing, "create directory"));
  }
  return open_directory(directory, name, thing);
}

Result<std::uint64_t> file_size(int fd, const std::string& thing) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    return fail(sys_error(errno, thing, "stat"));
  }
  return static_cast<std::uint64_t>(status.st_size);
}

Result<void> write_at(int fd, std::uint64_t offset, Bytes bytes, const std::string& thing) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return fail(sys_error(written < 0 ? errno : ENOSPC, thing, "write"));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

Result<std::size_t> read_until_end(int fd, std::uint64_t offset, std::span<std::byte> to,
                                   const std::string& thing) {
  std::size_t have = 0;
  while (have < to.size()) {
    const ssize_t got =
        ::pread(fd, to.data() + have, to.size() - have, static_cast<off_t>(offset + have));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got < 0) {
      return fail(sys_error(errno, thing, "read"));
    }
    if (got == 0) {
      break;
    }
    have += static_cast<std::size_t>(got);
  }
  return have;
}

Result<void> read_at(int fd, std::uint64_t offset, std::span<std::byte> to,
                     const std::string& thing) {
  IMG_ASSIGN(const std::size_t have, read_until_end(fd, offset, to, thing));
  if (have < to.size()) {
    return fail(Fault::corrupt, thing, "read", "the file is shorter than it should be");
  }
  return {};
}

Result<void> sync_file(int fd, const std::string& thing) {
  if (::fsync(fd) != 0) {
    return fail(sys_error(errno, thing, "sync"));
  }
  return {};
}

std::uint64_t random_bits() {
  std::uint64_t bits = 0;
  // Up to 256 bytes come whole and without interruption once the generator is seeded.
  const ssize_t got = ::getrandom(&bits, sizeof bits, 0);
  IMG_ASSERT(got == sizeof bits);
  return bits;
}

}  // namespace img
