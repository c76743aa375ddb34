// SPDX-License-Identifier: MIT
// What waits to be read in a unix socket, packet by packet, with the descriptors on their way. It
// is only looked at (MSG_PEEK at a moving offset).
#pragma once

#include "live/dump/files/file_kind.h"

namespace img::dump {

[[nodiscard]] Result<void> add_unix_queue(const OpenFile& file, std::uint32_t id, FileBench& bench,
                                          const TakeInFlight& take);

}  // namespace img::dump
