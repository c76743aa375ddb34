// SPDX-License-Identifier: MIT
#include "live/dump/files/description_tree.h"

#include <linux/kcmp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace img::dump {

Result<DescriptionTree::Found> DescriptionTree::find(const OpenFile& file) {
  std::vector<Known>& alike =
      known_[{file.stat.st_dev, file.stat.st_ino, file.info.position, file.flags}];
  std::size_t low = 0;
  for (std::size_t high = alike.size(); low < high;) {
    const std::size_t middle = low + (high - low) / 2;
    const Known& other = alike[middle];
    const long order =
        ::syscall(SYS_kcmp, file.tid, other.tid, KCMP_FILE, file.number, other.number);
    if (order < 0) {
      return fail(sys_error(errno, file.name(), "kcmp"));
    }
    if (order == 0) {
      return Found{&alike[middle].id};
    }
    if (order == 1) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  const auto place = alike.insert(alike.begin() + static_cast<std::ptrdiff_t>(low),
                                  Known{file.tid, file.number, 0});
  return Found{&place->id};
}

}  // namespace img::dump
