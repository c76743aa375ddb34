// SPDX-License-Identifier: MIT
#include "libimg/base/scratch_array.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

#include "libimg/base/bytes.h"
#include "libimg/base/spool.h"

namespace img {
namespace {

constexpr const char* kName = "temporary file";

// With all its blocks: on a full disk this fails, and no write to the mapping does.
Result<UniqueFd> file_of(std::size_t size) {
  IMG_ASSIGN(UniqueFd file, nameless_file(temporary_directory()));
  const int error = ::posix_fallocate(file.get(), 0, static_cast<off_t>(size));
  if (error != 0) {
    return fail(sys_error(error, temporary_directory(), "write a temporary file"));
  }
  return file;
}

}  // namespace

ScratchBytes& ScratchBytes::operator=(ScratchBytes&& other) noexcept {
  release();
  begin_ = std::exchange(other.begin_, nullptr);
  capacity_ = std::exchange(other.capacity_, 0);
  in_file_ = std::exchange(other.in_file_, false);
  guard_ = std::move(other.guard_);
  return *this;
}

void ScratchBytes::release() {
  guard_ = MappingGuard();
  if (begin_ != nullptr) {
    ::munmap(begin_, capacity_);
    begin_ = nullptr;
  }
}

Result<void> ScratchBytes::grow(std::size_t capacity) {
  if (capacity <= capacity_) {
    return {};
  }
  capacity = round_up(capacity, 4096);
  ScratchBytes made;
  made.in_file_ = capacity > kInMemory;
  UniqueFd file;
  if (made.in_file_) {
    IMG_ASSIGN(file, file_of(capacity));
  }
  void* const place = ::mmap(nullptr, capacity, PROT_READ | PROT_WRITE,
                             made.in_file_ ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS,
                             made.in_file_ ? file.get() : -1, 0);
  if (place == MAP_FAILED) {
    return fail(sys_error(errno, kName, "map"));
  }
  made.begin_ = static_cast<std::byte*>(place);
  made.capacity_ = capacity;
  if (made.in_file_) {
    made.guard_ = MappingGuard(place, capacity, kName);
  }
  if (begin_ != nullptr) {
    std::memcpy(made.begin_, begin_, capacity_);
  }
  *this = std::move(made);
  return {};
}

}  // namespace img
