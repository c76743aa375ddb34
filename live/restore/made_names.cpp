// SPDX-License-Identifier: MIT
#include "live/restore/made_names.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace img::restore {
namespace {

const char* text_of(std::uint64_t address) {
  return reinterpret_cast<const char*>(address);
}

}  // namespace

void MadeNames::add(std::uint64_t folder, std::uint64_t name, bool is_folder) {
  names_.push_back({static_cast<int>(folder), text_of(name), is_folder});
}

// Below --root a folder is opened once more for that, and the last that was made is meant.
void MadeNames::remove(std::uint64_t folder, std::uint64_t name) {
  const bool is_here = static_cast<int>(folder) == AT_FDCWD;
  const auto found = std::find_if(names_.rbegin(), names_.rend(), [&](const Name& one) {
    return (one.folder == AT_FDCWD) == is_here && one.name == text_of(name);
  });
  if (found != names_.rend()) {
    names_.erase(std::next(found).base());
  }
}

void MadeNames::note(long number, const std::array<std::uint64_t, 6>& args) {
  switch (number) {
    case SYS_openat:
      if ((args[2] & O_CREAT) != 0) {
        add(args[0], args[1]);
      }
      return;
    case SYS_mkdirat: return add(args[0], args[1], true);
    case SYS_mknodat: return add(args[0], args[1]);
    case SYS_symlinkat: return add(args[1], args[2]);
    case SYS_linkat: return add(args[2], args[3]);
    case SYS_unlinkat: return remove(args[0], args[1]);
    default: return;
  }
}

MadeNames::~MadeNames() {
  for (auto one = names_.rbegin(); one != names_.rend(); ++one) {
    ::unlinkat(one->folder, one->name.c_str(), one->is_folder ? AT_REMOVEDIR : 0);
  }
}

}  // namespace img::restore
