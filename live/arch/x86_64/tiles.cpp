// SPDX-License-Identifier: MIT
#include "live/arch/x86_64/tiles.h"

namespace img::arch {
namespace {

extern "C" {
extern const std::byte img_tiles_begin[];
extern const std::byte img_tiles_end[];
}

// Palette 1, tile 0 of one row of 64 bytes.
asm(R"(
  .pushsection .rodata.img_tiles, "a", @progbits
  .balign 64
  .globl img_tiles_begin, img_tiles_end
  .hidden img_tiles_begin, img_tiles_end
img_tiles_begin:
  ldtilecfg 1f(%rip)
  tilezero %tmm0
  tilerelease
  syscall
  .balign 64
1:
  .byte 1
  .skip 15
  .byte 64
  .skip 31
  .byte 1
  .skip 15
img_tiles_end:
  .popsection
)");

}  // namespace

Bytes tile_code() {
  return {img_tiles_begin, img_tiles_end};
}

}  // namespace img::arch
