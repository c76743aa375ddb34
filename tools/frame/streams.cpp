// SPDX-License-Identifier: MIT
#include "tools/frame/streams.h"

#include <unistd.h>

#include <cerrno>

namespace img::frame {

FdBuffer::FdBuffer(int fd) : fd_(fd), buffer_(1 << 16) {
  setp(buffer_.data(), buffer_.data() + buffer_.size());
}

bool FdBuffer::write_all(const char* bytes, std::size_t size) {
  while (size > 0 && failed_ == 0) {
    const ssize_t count = ::write(fd_, bytes, size);
    if (count < 0) {
      failed_ = errno == EINTR ? 0 : errno;
      continue;
    }
    bytes += count;
    size -= static_cast<std::size_t>(count);
  }
  return failed_ == 0;
}

int FdBuffer::sync() {
  const bool ok = write_all(pbase(), static_cast<std::size_t>(pptr() - pbase()));
  setp(buffer_.data(), buffer_.data() + buffer_.size());
  return ok ? 0 : -1;
}

FdBuffer::int_type FdBuffer::overflow(int_type character) {
  if (sync() != 0) {
    return traits_type::eof();
  }
  if (!traits_type::eq_int_type(character, traits_type::eof())) {
    sputc(traits_type::to_char_type(character));
  }
  return traits_type::not_eof(character);
}

std::streamsize FdBuffer::xsputn(const char* text, std::streamsize size) {
  if (size < epptr() - pptr()) {
    std::copy(text, text + size, pptr());
    pbump(static_cast<int>(size));
    return size;
  }
  return sync() == 0 && write_all(text, static_cast<std::size_t>(size)) ? size : 0;
}

int write_failure(std::ostream& out) {
  out.flush();
  if (const auto* buffer = dynamic_cast<const FdBuffer*>(out.rdbuf())) {
    return buffer->failed();
  }
  return 0;
}

}  // namespace img::frame
