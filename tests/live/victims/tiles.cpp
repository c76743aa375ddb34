// SPDX-License-Identifier: MIT
// Keeps a pattern in an AMX tile and compares, again and again; a second thread, that has never
// used one, begins to when lane 1 says so. Lane 0: this machine has them.
#include <sys/syscall.h>

#include <cstring>
#include <thread>

#include "tests/live/victims/victim.h"

namespace {

constexpr long kRequest = 0x1023;  // ARCH_REQ_XCOMP_PERM
constexpr long kTileData = 18;
constexpr long kRowBytes = 64;
constexpr std::size_t kTileBytes = 1024;

struct alignas(64) Tile {
  unsigned char bytes[kTileBytes];
};

void load(const Tile& from) {
  alignas(64) unsigned char config[64] = {};
  config[0] = 1;
  config[16] = kRowBytes;
  config[48] = kTileBytes / kRowBytes;
  asm volatile("ldtilecfg %0" : : "m"(config));
  asm volatile("tileloadd (%0,%1,1), %%tmm0" : : "r"(from.bytes), "r"(kRowBytes) : "memory");
}

void store(Tile& to) {
  asm volatile("tilestored %%tmm0, (%0,%1,1)" : : "r"(to.bytes), "r"(kRowBytes) : "memory");
}

void one_round(const Tile& pattern) {
  Tile now{};
  store(now);
  VICTIM_CHECK(std::memcmp(now.bytes, pattern.bytes, kTileBytes) == 0);
}

Tile pattern_of(unsigned seed) {
  Tile out{};
  for (std::size_t i = 0; i < kTileBytes; ++i) {
    out.bytes[i] = static_cast<unsigned char>(i * 7 + seed);
  }
  return out;
}

}  // namespace

int main() {
  auto& lanes = victim::page().lanes;
  const bool has_tiles = syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
  lanes[0].store(has_tiles ? 1 : 0);
  std::thread late([&] {
    while (victim::goes_on() && lanes[1].load() == 0) {
      usleep(1000);
    }
    if (has_tiles && victim::goes_on()) {
      const Tile other = pattern_of(9);
      load(other);
      one_round(other);
      lanes[2].store(1);
    }
  });
  const Tile pattern = pattern_of(1);
  if (has_tiles) {
    load(pattern);
  }
  victim::ready();
  while (victim::goes_on()) {
    if (has_tiles) {
      one_round(pattern);
    }
    victim::round_done();
    usleep(1000);
  }
  late.join();
  return 0;
}
