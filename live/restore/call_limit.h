// SPDX-License-Identifier: MIT
// A limit on how long one system call of the restorer may take. What an image names may be a fifo
// that nobody writes to or a socket whose queue is full, and waiting for it would never end.
#pragma once

#include <csignal>

namespace img::restore {

class CallLimit {
 public:
  /// From now on a call that waits too long fails with EINTR. Only for the main thread.
  CallLimit();
  /// The time begins again, for the next call.
  void begin() const;
  ~CallLimit();
  CallLimit(const CallLimit&) = delete;
  CallLimit& operator=(const CallLimit&) = delete;

  static constexpr int kSeconds = 10;

 private:
  struct sigaction before_ {};
};

}  // namespace img::restore
