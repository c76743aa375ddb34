// SPDX-License-Identifier: MIT
#include "libimg/convert/spool.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "libimg/base/byte_sink.h"
#include "libimg/base/spool.h"

namespace img::convert {
namespace {

Result<void> wait_for_input(int fd, const std::string& name, const std::atomic<int>* stop) {
  for (;;) {
    if (stop != nullptr && stop->load() != 0) {
      return fail(Fault::gone, name, "interrupted");
    }
    pollfd waiting{fd, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, 100);
    if (ready > 0) {
      return {};
    }
    if (ready < 0 && errno != EINTR) {
      return fail(sys_error(errno, name, "wait"));
    }
  }
}

Result<void> copy_all(int from, int to, const std::string& name, const std::atomic<int>* stop) {
  std::vector<std::byte> buffer(1 << 18);
  for (;;) {
    IMG_TRY(wait_for_input(from, name, stop));
    const ssize_t count = ::read(from, buffer.data(), buffer.size());
    if (count == 0) {
      return {};
    }
    if (count < 0) {
      if (errno == EINTR || errno == EAGAIN) {
        continue;
      }
      return fail(sys_error(errno, name, "read"));
    }
    IMG_TRY(write_all(to, Bytes(buffer).first(static_cast<std::size_t>(count)), "temporary file"));
  }
}

}  // namespace

Result<MappedFile> map_regular(int fd, const std::string& name) {
  struct stat there {};
  if (::fstat(fd, &there) != 0) {
    return fail(sys_error(errno, name, "look at file"));
  }
  return MappedFile::map(fd, static_cast<std::uint64_t>(there.st_size), name);
}

Result<MappedFile> spool(int fd, const std::string& name, const std::atomic<int>* stop) {
  struct stat there {};
  if (::fstat(fd, &there) != 0) {
    return fail(sys_error(errno, name, "look at file"));
  }
  // A redirected file is used where it is, unless someone has read part of it already.
  if (S_ISREG(there.st_mode) && ::lseek(fd, 0, SEEK_CUR) == 0) {
    return map_regular(fd, name);
  }
  IMG_ASSIGN(const UniqueFd file, large_nameless_file());
  IMG_TRY(copy_all(fd, file.get(), name, stop));
  return map_regular(file.get(), name);
}

}  // namespace img::convert
