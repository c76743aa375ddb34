// SPDX-License-Identifier: MIT
// The memory objects that a tree shares, memfds among them. Each is told once, by whoever meets it
// first, and written with the rest of the memory.
#pragma once

#include <cstdint>
#include <map>

#include "libimg/base/unique_fd.h"

namespace img::dump {

class SharedMemory {
 public:
  struct Object {
    UniqueFd fd;  // readable
    std::uint64_t bytes = 0;
  };

  [[nodiscard]] bool has(std::uint64_t shmid) const { return objects_.count(shmid) != 0; }
  /// `shmid` is the object's inode number, as in VmaEntry and MemfdInodeEntry.
  void add(std::uint64_t shmid, UniqueFd fd, std::uint64_t bytes) {
    objects_.emplace(shmid, Object{std::move(fd), bytes});
  }
  [[nodiscard]] const std::map<std::uint64_t, Object>& objects() const { return objects_; }

 private:
  std::map<std::uint64_t, Object> objects_;
};

}  // namespace img::dump
