// SPDX-License-Identifier: MIT
// Streams for running a whole tool in a test: text in, texts out, a clock that stands still.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <sstream>
#include <string>
#include <vector>

#include "libimg/base/unique_fd.h"
#include "tools/frame/run_tool.h"

namespace img::frame {

struct ToolRun {
  int exit = -1;
  std::string out;
  std::string err;
};

class TestStreams {
 public:
  explicit TestStreams(const std::string& in = {}) : in_(::memfd_create("stdin", MFD_CLOEXEC)) {
    const ssize_t written = ::write(in_.get(), in.data(), in.size());
    (void)written;
    ::lseek(in_.get(), 0, SEEK_SET);
    streams.in = in_.get();
    streams.out = &out;
    streams.err = &err;
    streams.now_ns = [this] { return now; };
  }

  [[nodiscard]] ToolRun run(Program& program, std::vector<std::string> arguments) {
    const int exit = run_tool(program, std::move(arguments), streams);
    return {exit, out.str(), err.str()};
  }

  std::uint64_t now = 1'795'257'720'000'000'000;  // 2026-11-21T10:42:00Z
  std::ostringstream out;
  std::ostringstream err;
  Streams streams;

 private:
  UniqueFd in_;
};

}  // namespace img::frame
