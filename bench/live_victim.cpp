// SPDX-License-Identifier: MIT
// A process to be dumped: touches so many MiB of anonymous memory, each page with content of its
// own, says so on descriptor 1, gives that up, and sleeps. Linked statically: nothing but itself is
// measured.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

int main(int argc, char** argv) {
  constexpr std::size_t kWords = 4096 / sizeof(std::uint64_t);
  const std::size_t bytes = (argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 0) << 20;
  if (bytes > 0) {
    void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
      return 1;
    }
    auto* words = static_cast<std::uint64_t*>(at);
    for (std::size_t i = 0; i < bytes / sizeof *words; i += kWords) {
      words[i] = i + 1;
      words[i + kWords / 2] = ~i;
    }
  }
  if (::write(1, "\n", 1) != 1 || ::dup2(0, 1) < 0) {
    return 1;
  }
  for (;;) {
    ::pause();
  }
}
