// SPDX-License-Identifier: MIT
// One line that says how far long work is: only on a terminal, only past the first second. A thread
// of its own looks at a number that the work counts up.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "tools/frame/program.h"

namespace img::frame {

class Progress {
 public:
  /// `done` gives the bytes done so far, from any thread, as long as this lives. Without it the line
  /// says for how long there has been work.
  Progress(Call& call, std::string what, std::function<std::uint64_t()> done);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

 private:
  void watch();

  Streams& streams_;
  std::string what_;
  std::function<std::uint64_t()> done_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::thread thread_;  // only where there is somebody to see it
};

}  // namespace img::frame
