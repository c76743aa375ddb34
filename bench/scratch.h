// SPDX-License-Identifier: MIT
// Places that benchmarks read from and write to, on tmpfs where there is one, and what they all do:
// convert. What goes wrong ends the program.
#pragma once

#include <string>
#include <string_view>

#include "bench/generate.h"

namespace img::bench {

/// A folder that is gone with it.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  [[nodiscard]] std::string operator/(std::string_view name) const;
  /// Removes what is below it.
  void empty() const;

 private:
  std::string path_;
};

/// The generated CRIU directory of this shape; made once.
const std::string& image(const Shape& shape);

/// Bytes of all files below `path`.
std::uint64_t bytes_below(const std::string& path);

/// As `img-convert SOURCE DESTINATION --to KIND [--as NAME]`.
void convert(const std::string& source, const std::string& destination, std::string_view kind,
             const std::string& name = {});

/// Prints the error and ends the program.
[[noreturn]] void stop(const Error& error);

inline void need(const Result<void>& result) {
  if (!result) {
    stop(result.error());
  }
}

template <class T>
T need(Result<T> result) {
  if (!result) {
    stop(result.error());
  }
  return std::move(*result);
}

}  // namespace img::bench
