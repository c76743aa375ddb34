// SPDX-License-Identifier: MIT
// Numbers for kernel objects that tasks may share: equal objects, equal numbers, counted from 1.
// The kernel orders objects of one type (kcmp), so each is found in a sorted list by few questions.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

#include "libimg/base/result.h"

namespace img::dump {

/// KCMP_... of <linux/kcmp.h>.
class ObjectIds {
 public:
  explicit ObjectIds(int type) : type_(type) {}

  struct Found {
    std::uint32_t id = 0;
    bool is_new = false;
  };
  /// The object of `pid`; for KCMP_FILE, the open file behind its descriptor `fd`.
  [[nodiscard]] Result<Found> find(pid_t pid, std::uint64_t fd = 0);
  /// The same with the number that a new one is to get: for open files of all kinds, which share
  /// one series of numbers with mapped files.
  [[nodiscard]] Result<Found> find_or(pid_t pid, std::uint64_t fd, std::uint32_t new_id);

 private:
  struct Entry {
    pid_t pid;
    std::uint64_t fd;
    std::uint32_t id;
  };
  int type_;
  std::vector<Entry> sorted_;
};

}  // namespace img::dump
