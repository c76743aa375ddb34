// SPDX-License-Identifier: MIT
// What the two ends of a pseudoterminal get, once it is there: what waits in it, then its settings.
#pragma once

#include <map>

#include "live/plan/files/image_files.h"
#include "live/plan/files/terminal.h"

namespace img::plan {

/// `master`: of terminal `index`, both ends of which may be among `all`.
void set_up_terminal(FileContext& context, std::uint32_t index, Slot master,
                     const std::map<std::uint32_t, Terminal>& all);

}  // namespace img::plan
