// SPDX-License-Identifier: MIT
#include "libimg/base/byte_sink.h"

#include <unistd.h>

#include <cerrno>

namespace img {

Result<void> write_all(int fd, Bytes bytes, std::string_view thing) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return fail(sys_error(errno, std::string(thing), "write"));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<void> FdSink::write(Bytes bytes) {
  if (bytes.size() >= kCapacity - used_) {
    IMG_TRY(flush());
    if (bytes.size() >= kCapacity) {
      return write_all(fd_, bytes, thing_);
    }
  }
  if (bytes.empty()) {
    return {};
  }
  if (buffer_ == nullptr) {
    buffer_ = std::make_unique_for_overwrite<std::byte[]>(kCapacity);
  }
  std::memcpy(buffer_.get() + used_, bytes.data(), bytes.size());
  used_ += bytes.size();
  return {};
}

Result<void> FdSink::flush() {
  const Bytes waiting{buffer_.get(), used_};
  used_ = 0;
  return write_all(fd_, waiting, thing_);
}

}  // namespace img
