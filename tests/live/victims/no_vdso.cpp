// SPDX-License-Identifier: MIT
// A process that has given its vdso away and does without. (Nothing here asks for the time.)
#include <sys/syscall.h>

#include <cstdio>
#include <cstring>

#include "tests/live/victims/victim.h"

namespace {

bool is_its(const char* line) {
  return std::strstr(line, "[vdso]") != nullptr || std::strstr(line, "[vvar") != nullptr;
}

bool has_vdso() {
  std::FILE* maps = std::fopen("/proc/self/maps", "re");
  char line[512];
  bool found = false;
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    found = found || is_its(line);
  }
  std::fclose(maps);
  return found;
}

void unmap_them() {
  std::FILE* maps = std::fopen("/proc/self/maps", "re");
  char line[512];
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    unsigned long start = 0;
    unsigned long end = 0;
    if (is_its(line) && std::sscanf(line, "%lx-%lx", &start, &end) == 2) {
      VICTIM_CHECK(syscall(SYS_munmap, start, end - start) == 0);
    }
  }
  std::fclose(maps);
}

}  // namespace

int main() {
  victim::page();
  unmap_them();
  VICTIM_CHECK(!has_vdso());
  victim::ready();
  while (victim::goes_on()) {
    VICTIM_CHECK(!has_vdso());
    usleep(5000);
    victim::round_done();
  }
}
