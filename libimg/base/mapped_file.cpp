// SPDX-License-Identifier: MIT
#include "libimg/base/mapped_file.h"

#include <sys/mman.h>

#include <cerrno>
#include <utility>

namespace img {

MappedFile::MappedFile(MappedFile&& other) noexcept
    : begin_(std::exchange(other.begin_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      guard_(std::move(other.guard_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    unmap();
    begin_ = std::exchange(other.begin_, nullptr);
    size_ = std::exchange(other.size_, 0);
    guard_ = std::move(other.guard_);
  }
  return *this;
}

MappedFile::~MappedFile() { unmap(); }

void MappedFile::unmap() {
  if (begin_ != nullptr) {
    guard_ = MappingGuard();
    ::munmap(const_cast<std::byte*>(begin_), size_);
    begin_ = nullptr;
  }
}

Result<MappedFile> MappedFile::map(int fd, std::uint64_t size, const std::string& name) {
  MappedFile file;
  if (size == 0) {
    return file;
  }
  void* at = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) {
    return fail(sys_error(errno, name, "cannot map"));
  }
  file.begin_ = static_cast<const std::byte*>(at);
  file.size_ = size;
  file.guard_ = MappingGuard(at, size, name);
  return file;
}

}  // namespace img
