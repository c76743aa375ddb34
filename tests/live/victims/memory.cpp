// SPDX-License-Identifier: MIT
// Much memory of many kinds, each page of which is looked at again: with holes, not writable, not
// even readable, beside a file's, growing downwards, locked.
#include <fcntl.h>
#include <sys/mman.h>

#include <cstring>

#include "tests/live/victims/victim.h"

namespace {

constexpr std::size_t kPage = 4096;
constexpr std::size_t kPages = 6144;  // 24 MiB
constexpr std::size_t kHole = 7;      // every so many pages one was never touched
constexpr std::size_t kReadOnly = 5000;
constexpr std::size_t kHidden = 5500;
constexpr std::size_t kFilePages = 16;
constexpr std::size_t kWritten = 5;  // of the file's

char* region;
char* file;
char original[kPage];

void map_all() {
  void* at = mmap(nullptr, (kPages + kFilePages) * kPage, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  region = static_cast<char*>(at);
  const int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  at = mmap(region + kPages * kPage, kFilePages * kPage, PROT_READ | PROT_WRITE,
            MAP_PRIVATE | MAP_FIXED, self, 0);
  file = static_cast<char*>(at);
  VICTIM_CHECK(pread(self, original, kPage, 0) == kPage);
  close(self);
}

void fill() {
  for (std::size_t i = 0; i < kPages; ++i) {
    if (i % kHole != 0) {
      std::memcpy(region + i * kPage + i % kPage / 8 * 8, &i, sizeof i);
    }
  }
  file[kWritten * kPage] = 77;
  mlock(region, kPage);
  mprotect(region + kReadOnly * kPage, (kHidden - kReadOnly) * kPage, PROT_READ);
  mprotect(region + kHidden * kPage, (kPages - kHidden) * kPage, PROT_NONE);
}

void check() {
  char* hidden = region + kHidden * kPage;
  mprotect(hidden, (kPages - kHidden) * kPage, PROT_READ);
  for (std::size_t i = 0; i < kPages; ++i) {
    std::size_t there = 0;
    std::memcpy(&there, region + i * kPage + i % kPage / 8 * 8, sizeof there);
    VICTIM_CHECK(there == (i % kHole == 0 ? 0 : i));
  }
  mprotect(hidden, (kPages - kHidden) * kPage, PROT_NONE);
  VICTIM_CHECK(file[kWritten * kPage] == 77);
  VICTIM_CHECK(std::memcmp(file, original, kPage) == 0);
}

}  // namespace

int main() {
  victim::page();
  map_all();
  fill();
  void* stack = mmap(nullptr, 8 * kPage, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
  std::memset(stack, 55, 8 * kPage);
  victim::ready();
  while (victim::goes_on()) {
    check();
    VICTIM_CHECK(static_cast<char*>(stack)[3 * kPage] == 55);
    victim::round_done();
    usleep(5000);
  }
}
