// SPDX-License-Identifier: MIT
// Whether the kernel would take a seccomp filter.
#pragma once

#include <string>

#include "libimg/base/bytes.h"

namespace img::check {

/// What is wrong with a classic BPF program, 8 bytes an instruction; empty: nothing.
[[nodiscard]] std::string seccomp_fault(Bytes program);

}  // namespace img::check
