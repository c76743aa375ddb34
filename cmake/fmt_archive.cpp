// SPDX-License-Identifier: MIT
// The fmt library for programs that are linked statically: Debian has its headers, from which it is
// made here, and no archive of it.
#include <fmt/format-inl.h>

namespace fmt::detail {

// What the headers only promise.
template FMT_API auto dragonbox::to_decimal(float) noexcept -> dragonbox::decimal_fp<float>;
template FMT_API auto dragonbox::to_decimal(double) noexcept -> dragonbox::decimal_fp<double>;
template FMT_API auto thousands_sep_impl(locale_ref) -> thousands_sep_result<char>;
template FMT_API auto decimal_point_impl(locale_ref) -> char;
template FMT_API void buffer<char>::append(const char*, const char*);

}  // namespace fmt::detail
