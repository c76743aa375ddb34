// SPDX-License-Identifier: MIT
// Options of IP and TCP sockets, as the sockets themselves tell them. SOL_SOCKET is not here.
#pragma once

#include <cstdint>

#include "schema/sockets_generated.h"

namespace img::dump {

struct InetKind {
  bool is_v6 = false;
  bool is_raw = false;
  std::uint32_t protocol = 0;
};

[[nodiscard]] flatbuffers::Offset<schema::IpOptsEntry> ip_options_entry(
    flatbuffers::FlatBufferBuilder& builder, int fd, const InetKind& kind);
/// Empty where it is no TCP socket.
[[nodiscard]] flatbuffers::Offset<schema::TcpOptsEntry> tcp_options_entry(
    flatbuffers::FlatBufferBuilder& builder, int fd, bool is_tcp);

}  // namespace img::dump
