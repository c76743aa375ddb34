// SPDX-License-Identifier: MIT
// All unix sockets of this network namespace, as the kernel lists them: who is connected to whom,
// under which name, what waits to be accepted.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "libimg/base/result.h"

namespace img::dump {

struct UnixSocketState {
  std::uint32_t type = 0;     // SOCK_*
  std::uint32_t state = 0;    // TCP_*
  std::uint32_t peer = 0;     // inode; 0: none, or not accepted yet
  std::string name;           // as bound: a path with its final zero byte, or abstract
  std::uint32_t waiting = 0;  // bytes to be read; of a listener connections
  std::uint32_t limit = 0;    // of a listener; otherwise bytes that the peer has not read
  std::uint32_t shutdown = 0;
  std::vector<std::uint32_t> unaccepted;  // inodes of those that wait for accept, 0: closed again

  [[nodiscard]] bool is_listener() const { return state == 10; }  // TCP_LISTEN
};

using UnixSocketTable = std::unordered_map<std::uint32_t, UnixSocketState>;

[[nodiscard]] Result<UnixSocketTable> list_unix_sockets();

}  // namespace img::dump
