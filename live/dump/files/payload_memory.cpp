// SPDX-License-Identifier: MIT
#include "live/dump/files/payload_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

namespace img::dump {
namespace {

constexpr std::size_t kRegionBytes = std::size_t{1} << 20;

}  // namespace

PayloadMemory::~PayloadMemory() {
  for (const Region& region : regions_) {
    ::munmap(region.start, region.bytes);
  }
}

Result<std::span<std::byte>> PayloadMemory::room(std::size_t bytes) {
  const std::size_t rounded = round_up(bytes, 16);
  if (rounded > left_) {
    const std::size_t size = std::max(kRegionBytes, round_up(rounded, 4096));
    void* start = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED) {
      return fail(sys_error(errno, "memory for what is in pipes and sockets", "mmap"));
    }
    regions_.push_back({static_cast<std::byte*>(start), size});
    next_ = regions_.back().start;
    left_ = size;
  }
  const std::span<std::byte> out(next_, bytes);
  next_ += rounded;
  left_ -= rounded;
  return out;
}

void PayloadMemory::shrink(std::span<std::byte> last, std::size_t used) {
  std::byte* end = last.data() + round_up(used, 16);
  left_ += static_cast<std::size_t>(next_ - end);
  next_ = end;
}

Result<Bytes> PayloadMemory::map(int fd, std::uint64_t bytes, const std::string& name) {
  IMG_ASSIGN(MappedFile file, MappedFile::map(fd, bytes, name));
  files_.push_back(std::move(file));
  return files_.back().bytes();
}

}  // namespace img::dump
