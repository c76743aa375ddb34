// SPDX-License-Identifier: MIT
#include "libimg/base/file_limit.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <charconv>

#include "libimg/base/unique_fd.h"

namespace img {
namespace {

/// What not even root may pass; 0 where it cannot be read.
rlim_t most_of_all() {
  rlim_t most = 0;
  std::array<char, 32> text{};
  const UniqueFd file(::open("/proc/sys/fs/nr_open", O_RDONLY | O_CLOEXEC));
  if (::read(file.get(), text.data(), text.size()) > 0) {
    std::from_chars(text.data(), text.data() + text.size(), most);
  }
  return most;
}

}  // namespace

void allow_many_files() {
  const rlim_t most = most_of_all();
  const rlimit all{most, most};
  if (most != 0 && ::setrlimit(RLIMIT_NOFILE, &all) == 0) {
    return;
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

}  // namespace img
