// SPDX-License-Identifier: MIT
// One line that says how far long work is: only on a terminal, only past the first second.
#pragma once

#include <cstdint>
#include <string>

#include "tools/frame/program.h"

namespace img::frame {

class Progress {
 public:
  Progress(Call& call, std::string what);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Bytes done so far, and of how many (0: not known). Cheap enough to call per record.
  void update(std::uint64_t done, std::uint64_t total);

 private:
  Streams& streams_;
  std::string what_;
  bool wanted_;
  bool shown_ = false;
  std::uint64_t next_ns_ = 0;
};

}  // namespace img::frame
