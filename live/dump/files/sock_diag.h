// SPDX-License-Identifier: MIT
// Questions about sockets to the kernel, by netlink (sock_diag(7)): what no call on the socket
// itself tells.
#pragma once

#include <linux/netlink.h>

#include <functional>
#include <map>
#include <span>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"

namespace img::dump {

/// Attributes of an answer by their type.
using DiagAttributes = std::map<std::uint16_t, Bytes>;

/// A dump of all sockets that `request` (unix_diag_req, inet_diag_req_v2) selects. `each` gets the
/// message of each without its header; `fixed` bytes of it come before the attributes.
[[nodiscard]] Result<void> ask_sock_diag(
    Bytes request, std::size_t fixed,
    const std::function<void(Bytes message, const DiagAttributes& attributes)>& each);

}  // namespace img::dump
