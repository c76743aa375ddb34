// SPDX-License-Identifier: MIT
// Every tool as a Program: a main runs one of them, tests run all in process.
#pragma once

#include <memory>

#include "tools/frame/program.h"

namespace img::tools {

[[nodiscard]] std::unique_ptr<frame::Program> img_check();
[[nodiscard]] std::unique_ptr<frame::Program> img_convert();
[[nodiscard]] std::unique_ptr<frame::Program> img_diff();
[[nodiscard]] std::unique_ptr<frame::Program> img_merge();
[[nodiscard]] std::unique_ptr<frame::Program> img_gc();
[[nodiscard]] std::unique_ptr<frame::Program> img_show();
[[nodiscard]] std::unique_ptr<frame::Program> live_dump();
[[nodiscard]] std::unique_ptr<frame::Program> live_restore();

}  // namespace img::tools
