// SPDX-License-Identifier: MIT
// What a plan of open files has to know of this machine: mounts, network devices, a terminal, which
// names are taken.
#pragma once

#include "live/plan/files/image_files.h"

namespace img::restore {

/// Fills in what the user does not say, or how to ask for it.
void ask_about_files(plan::FileOptions& options);

}  // namespace img::restore
