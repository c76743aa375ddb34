// SPDX-License-Identifier: MIT
#include "live/procfs/cgroup_state.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "libimg/base/unique_fd.h"

namespace img::procfs {
namespace {

// Part of the file's text; empty where there is none.
bool says(int folder, const char* name, std::string_view word) {
  const UniqueFd file(::openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  std::array<char, 256> text{};
  const ssize_t got = file.is_open() ? ::read(file.get(), text.data(), text.size()) : -1;
  return got > 0 && std::string_view(text.data(), static_cast<std::size_t>(got)).find(word) !=
                        std::string_view::npos;
}

}  // namespace

// FREEZING is one, too: it waits for a task that will freeze. A v2 group counts as frozen only when
// all in it are.
bool is_frozen_group(int folder) {
  return says(folder, "freezer.state", "FR") || says(folder, "cgroup.freeze", "1") ||
         says(folder, "cgroup.events", "frozen 1");
}

}  // namespace img::procfs
