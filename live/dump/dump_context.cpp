// SPDX-License-Identifier: MIT
#include "live/dump/dump_context.h"

#include "libimg/base/text.h"

namespace img::dump {

std::string name_of(const trace::FrozenProcess& process) {
  return "process " + std::to_string(process.pid()) + " (" + escaped(process.stat.comm) + ")";
}

}  // namespace img::dump
