// SPDX-License-Identifier: MIT
// Code that uses AMX tiles once, so that the kernel makes room for them in the task that runs it,
// and leaves them empty. Knows its bytes only.
#pragma once

#include "libimg/base/bytes.h"

namespace img::arch {

/// Position-independent; changes no general register and ends with a `syscall` instruction.
[[nodiscard]] Bytes tile_code();

}  // namespace img::arch
