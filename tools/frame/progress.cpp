// SPDX-License-Identifier: MIT
#include "tools/frame/progress.h"

#include <chrono>

#include "libimg/base/units.h"

namespace img::frame {

Progress::Progress(Call& call, std::string what, std::function<std::uint64_t()> done)
    : streams_(call.streams), what_(std::move(what)), done_(std::move(done)) {
  if (streams_.err_is_terminal && !call.common.quiet) {
    thread_ = std::thread([this] { watch(); });
  }
}

void Progress::watch() {
  using std::chrono::milliseconds;
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  const auto seconds = [begin] {
    return std::to_string(
               std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - begin).count()) +
           " s";
  };
  std::unique_lock lock(mutex_);
  bool shown = false;
  while (!changed_.wait_for(lock, milliseconds(shown ? 200 : streams_.patience_ms),
                            [this] { return ended_; })) {
    *streams_.err << "\r\x1b[K" << what_ << ": " << (done_ ? size_text(done_()) : seconds())
                  << std::flush;
    shown = true;
  }
  if (shown) {
    *streams_.err << "\r\x1b[K" << std::flush;
  }
}

Progress::~Progress() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

}  // namespace img::frame
