// SPDX-License-Identifier: MIT
// How the tools look at a source: `-` is their standard input, and a signal ends the reading of it.
#pragma once

#include <string>

#include "libimg/convert/source.h"
#include "tools/frame/program.h"

namespace img::tools {

[[nodiscard]] inline convert::SourceOptions source_options(const std::string& image,
                                                           const frame::Call& call) {
  return {image, {}, call.streams.in, call.streams.signal};
}

}  // namespace img::tools
