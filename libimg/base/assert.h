// SPDX-License-Identifier: MIT
// A bug in this program, in every build. No input may reach one.
#pragma once

namespace img {
[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);
}

#define IMG_ASSERT(cond) \
  ((cond) ? static_cast<void>(0) : ::img::assertion_failed(#cond, __FILE__, __LINE__))
