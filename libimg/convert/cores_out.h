// SPDX-License-Identifier: MIT
// A directory with one ELF core per process: core.PID.
#pragma once

#include "libimg/convert/convert.h"
#include "libimg/model/record.h"

namespace img::convert {

/// Of the processes in Options::pids, or of all but those that can have none (zombies), which
/// Outcome::left_out then names.
[[nodiscard]] Result<Outcome> write_cores(model::ImageReader& image, const std::string& place,
                                          const Options& options);

}  // namespace img::convert
