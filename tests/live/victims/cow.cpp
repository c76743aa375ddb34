// SPDX-License-Identifier: MIT
// Three generations whose memory is still the same where none of them has written since. Each
// checks what is its own; the first one sees in the page maps that the rest is still shared.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "tests/live/victims/victim.h"

namespace {

constexpr std::size_t kPage = 4096;
constexpr int kPages = 64;
constexpr int kWritten = 3;  // + generation: written by that one after the forks
constexpr int kDropped = 7;  // + generation: emptied by that one
constexpr int kGenerations = 3;
char* memory;

// 0 where we may not know.
std::uint64_t frame(std::uint64_t pid, const char* at) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%lu/pagemap", static_cast<unsigned long>(pid));
  const int map = open(path, O_RDONLY);
  std::uint64_t entry = 0;
  const auto where = static_cast<off_t>(reinterpret_cast<std::uintptr_t>(at) / kPage * 8);
  VICTIM_CHECK(pread(map, &entry, sizeof entry, where) == sizeof entry);
  close(map);
  return entry & ((std::uint64_t{1} << 55) - 1);
}

char expected(int page, int generation) {
  if (page == kDropped + generation) {
    return 0;
  }
  return static_cast<char>(page == kWritten + generation ? 100 + generation : page + 1);
}

void check_own(int generation) {
  for (int page = 0; page < kPages; ++page) {
    VICTIM_CHECK(memory[static_cast<std::size_t>(page) * kPage] == expected(page, generation));
  }
}

void check_shared(std::uint64_t child, std::uint64_t grandchild) {
  for (int page = 0; page < kPages; ++page) {
    if (page >= kWritten && page < kDropped + kGenerations) {
      continue;
    }
    const char* at = memory + static_cast<std::size_t>(page) * kPage;
    // The kernel may be moving the page, from all of them, while we look at one after the other.
    bool is_shared = false;
    for (int attempt = 0; attempt < 100 && !is_shared; ++attempt) {
      const std::uint64_t own = frame(static_cast<std::uint64_t>(getpid()), at);
      is_shared = frame(child, at) == own && frame(grandchild, at) == own;
      usleep(is_shared ? 0 : 1000);
    }
    VICTIM_CHECK(is_shared);
  }
}

void change(int generation) {
  memory[static_cast<std::size_t>(kWritten + generation) * kPage] =
      static_cast<char>(100 + generation);
  madvise(memory + static_cast<std::size_t>(kDropped + generation) * kPage, kPage, MADV_DONTNEED);
}

}  // namespace

int main() {
  auto& page = victim::page();
  void* at =
      mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memory = static_cast<char*>(at);
  for (int i = 0; i < kPages; ++i) {
    std::memset(memory + static_cast<std::size_t>(i) * kPage, i + 1, kPage);
  }
  int generation = 0;
  page.lanes[0] = static_cast<std::uint64_t>(getpid());
  while (generation + 1 < kGenerations && fork() == 0) {
    alarm(victim::kLongestLife);
    page.lanes[++generation] = static_cast<std::uint64_t>(getpid());
  }
  while (page.lanes[kGenerations - 1] == 0) {
    usleep(1000);
  }
  change(generation);
  page.counter.fetch_add(1);
  while (page.counter < kGenerations) {
    usleep(1000);
  }
  if (generation == 0) {
    victim::ready();
  }
  while (victim::goes_on()) {
    check_own(generation);
    if (generation == 0) {
      check_shared(page.lanes[1], page.lanes[2]);
      victim::round_done();
    }
    usleep(5000);
  }
}
