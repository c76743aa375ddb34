// SPDX-License-Identifier: MIT
// What was written to one end of a pty and not read at the other. A terminal has no way to look
// without taking, so it is taken and put back at once, while both ends stand still.
#pragma once

#include <vector>

#include "libimg/base/bytes.h"
#include "live/dump/files/open_file.h"

namespace img::dump {

struct PtyQueues {
  std::vector<std::byte> of_master;
  std::vector<std::byte> of_slave;
};

/// `master` and `slave`: copies of both ends. A child does it, and comes to its end even if we are
/// killed meanwhile.
[[nodiscard]] Result<PtyQueues> look_at_queues(int master, int slave);
/// Bytes that wait to be read; 0 also where it does not say.
[[nodiscard]] std::size_t waiting_in(int terminal);

}  // namespace img::dump
