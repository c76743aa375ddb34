// SPDX-License-Identifier: MIT
// What one tool is: its options and its work. The frame does the rest, the same way for all.
#pragma once

#include "libimg/base/result.h"
#include "tools/frame/report.h"
#include "tools/frame/streams.h"

namespace CLI {
class App;
}

namespace img::frame {

/// The options that every tool has.
struct Common {
  int verbosity = 0;  // -v, -vv, -v4
  bool quiet = false;
  bool json = false;
};

struct Call {
  Streams& streams;
  Report& report;
  Common common;
};

/// Made for one run.
class Program {
 public:
  virtual ~Program() = default;
  [[nodiscard]] virtual const ToolInfo& info() const = 0;
  /// Its own options, bound to members. May not open anything.
  virtual void declare(CLI::App& app) = 0;
  /// The exit code, or the error that becomes one line and error_exit().
  [[nodiscard]] virtual Result<int> run(Call& call) = 0;
  [[nodiscard]] virtual int error_exit(const Error& /*error*/) const { return 2; }
};

}  // namespace img::frame
