// SPDX-License-Identifier: MIT
// What sockets of all families have: options of SOL_SOCKET, and the network they are in.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "live/dump/files/file_bench.h"
#include "schema/sockets_generated.h"

namespace img::dump {

/// An option that is a number; none where this socket has no such option.
[[nodiscard]] std::optional<std::uint32_t> socket_option(int fd, int level, int name);
/// The same with 0 for none.
[[nodiscard]] std::uint32_t socket_number(int fd, int level, int name);

/// `passes_credentials`: of families that can.
[[nodiscard]] flatbuffers::Offset<schema::SkOptsEntry> options_entry(
    flatbuffers::FlatBufferBuilder& builder, int fd, bool passes_credentials);

/// AF_*; 0 (AF_UNSPEC) of what is no socket.
[[nodiscard]] std::uint32_t family_of(const OpenFile& file);
/// It is in this process's own network namespace; otherwise it is refused here.
[[nodiscard]] Result<bool> is_in_own_network(FileBench& bench, const OpenFile& file);

}  // namespace img::dump
