// SPDX-License-Identifier: MIT
// Has no vdso, and all of its code is in memory that belongs to no file: there is no place behind
// it that nobody uses.
#include <sys/mman.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "tests/live/victims/victim.h"

namespace {

struct Range {
  std::uintptr_t start, end;
  bool is_vdso;
};

std::vector<Range> executable_ranges() {
  std::vector<Range> out;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const std::size_t dash = line.find('-');
    const std::size_t space = line.find(' ');
    if (line.find("[vsyscall]") == line.npos && line.substr(space + 1, 4) == "r-xp") {
      out.push_back({std::stoul(line.substr(0, dash), nullptr, 16),
                     std::stoul(line.substr(dash + 1, space - dash - 1), nullptr, 16),
                     line.find("[vdso]") != line.npos});
    }
  }
  return out;
}

}  // namespace

int main() {
  victim::page();
  for (const Range& one : executable_ranges()) {
    void* const at = reinterpret_cast<void*>(one.start);
    const std::size_t bytes = one.end - one.start;
    if (one.is_vdso) {
      munmap(at, bytes);
      continue;
    }
    void* const copy =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memcpy(copy, at, bytes);
    VICTIM_CHECK(mprotect(copy, bytes, PROT_READ | PROT_EXEC) == 0);
    VICTIM_CHECK(mremap(copy, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
  }
  victim::ready();
  while (victim::goes_on()) {
    victim::round_done();
    usleep(1000);
  }
  return 0;
}
