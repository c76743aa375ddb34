// SPDX-License-Identifier: MIT
// Spends nearly all its time inside one restartable sequence, whose three addresses it tells in its
// first lanes. Lane 3 counts aborts, lane 4 commits.
#include <sys/rseq.h>
#include <sys/syscall.h>

#include <cstddef>

#include "tests/live/victims/victim.h"

namespace {

struct Section {
  std::uint32_t version, flags;
  std::uint64_t start, bytes, abort;
};

alignas(32) Section section;
extern "C" const char rseq_start[], rseq_end[], rseq_abort[];

// 1 if it was aborted.
int turn(volatile std::uint64_t* rseq_cs) {
  int aborted = 0;
  std::uint64_t turns = 200'000;
  asm volatile(R"(
    mov %[section], (%[rseq_cs])
    .globl rseq_start, rseq_end, rseq_abort
  rseq_start:
  1:
    dec %[turns]
    jnz 1b
  rseq_end:
    jmp 2f
    .long 0x53053053
  rseq_abort:
    mov $1, %[aborted]
  2:
    movq $0, (%[rseq_cs])
  )"
               : [aborted] "+r"(aborted), [turns] "+r"(turns)
               : [section] "r"(&section), [rseq_cs] "r"(rseq_cs)
               : "memory", "cc");
  return aborted;
}

}  // namespace

int main() {
  victim::page();
  auto* area = reinterpret_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
  auto* rseq_cs = reinterpret_cast<volatile std::uint64_t*>(area + offsetof(struct rseq, rseq_cs));
  section.start = reinterpret_cast<std::uint64_t>(rseq_start);
  section.bytes = static_cast<std::uint64_t>(rseq_end - rseq_start);
  section.abort = reinterpret_cast<std::uint64_t>(rseq_abort);
  auto& lanes = victim::page().lanes;
  lanes[0] = section.start;
  lanes[1] = section.start + section.bytes;
  lanes[2] = section.abort;
  VICTIM_CHECK(__rseq_size != 0);
  victim::ready();
  while (victim::goes_on()) {
    lanes[turn(rseq_cs) == 1 ? 3 : 4].fetch_add(1);
    victim::round_done();
  }
  return 0;
}
