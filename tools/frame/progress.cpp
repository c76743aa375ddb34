// SPDX-License-Identifier: MIT
#include "tools/frame/progress.h"

#include <fmt/core.h>

#include "libimg/base/units.h"

namespace img::frame {

Progress::Progress(Call& call, std::string what)
    : streams_(call.streams),
      what_(std::move(what)),
      wanted_(call.streams.err_is_terminal && !call.common.quiet) {
  if (wanted_) {
    next_ns_ = streams_.now_ns() + kSecond;
  }
}

void Progress::update(std::uint64_t done, std::uint64_t total) {
  if (!wanted_) {
    return;
  }
  const std::uint64_t now = streams_.now_ns();
  if (now < next_ns_) {
    return;
  }
  next_ns_ = now + kSecond / 5;
  shown_ = true;
  const std::string of =
      total == 0 ? "" : fmt::format(" of {} ({} %)", size_text(total), done * 100 / total);
  *streams_.err << "\r\x1b[K" << what_ << ": " << size_text(done) << of << std::flush;
}

Progress::~Progress() {
  if (shown_) {
    *streams_.err << "\r\x1b[K" << std::flush;
  }
}

}  // namespace img::frame
