// SPDX-License-Identifier: MIT
// Result<T>: a value, or the Error that kept us from it. Dropping one is a compile error.
#pragma once

#include <tl/expected.hpp>
#include <utility>

#include "libimg/base/error.h"

namespace img {

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Failure = tl::unexpected<Error>;

[[nodiscard]] inline Failure fail(Error error) { return Failure(std::move(error)); }
[[nodiscard]] inline Failure fail(Fault fault, std::string thing, std::string what, std::string why = {},
                                  std::string hint = {}) {
  return Failure(make_error(fault, std::move(thing), std::move(what), std::move(why), std::move(hint)));
}

}  // namespace img

#define IMG_CONCAT_(a, b) a##b
#define IMG_CONCAT(a, b) IMG_CONCAT_(a, b)

/// Evaluates a Result<void>-like expression and returns its error, if any, from this function.
#define IMG_TRY(expr)                                 \
  do {                                                \
    if (auto img_result = (expr); !img_result) {      \
      return ::img::fail(std::move(img_result).error()); \
    }                                                 \
  } while (false)

#define IMG_ASSIGN_(tmp, decl, expr)           \
  auto tmp = (expr);                           \
  if (!tmp) {                                  \
    return ::img::fail(std::move(tmp).error()); \
  }                                            \
  decl = std::move(*tmp)

/// `IMG_ASSIGN(auto x, f())`: x is the value of f(), or its error is returned from this function.
#define IMG_ASSIGN(decl, expr) IMG_ASSIGN_(IMG_CONCAT(img_assign_, __LINE__), decl, expr)
