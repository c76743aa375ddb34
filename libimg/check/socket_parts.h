// SPDX-License-Identifier: MIT
// What the kernel takes as options and as windows of a socket.
#pragma once

#include "libimg/check/facts.h"

namespace img::check {

/// SKO-1.
void judge_socket_options(Facts& facts, const OpenFile& file);
/// INE-3.
void judge_tcp_window(Facts& facts, const Record& record, const schema::TcpStreamEntry& entry);

}  // namespace img::check
