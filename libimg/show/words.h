// SPDX-License-Identifier: MIT
// Numbers of the kernel in words: states, signals, flags, addresses. Pure; knows no record.
#pragma once

#include <flatbuffers/flatbuffers.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace img::show {

/// "SIGTERM", "signal 40"
[[nodiscard]] std::string signal_name(std::uint32_t number);
/// What wait(2) reported: "exit 7", "killed by SIGSEGV (core dumped)".
[[nodiscard]] std::string wait_status_words(std::uint32_t status);

/// "rw-", of PROT_*
[[nodiscard]] std::string protection(std::uint32_t prot);
/// Open flags: "read", "write append nonblock".
[[nodiscard]] std::string open_flags(std::uint32_t flags);
/// st_mode as ls shows it: "-rw-r--r--".
[[nodiscard]] std::string mode_text(std::uint32_t mode);
/// What st_mode says it is: "file", "directory", "character device" ...
[[nodiscard]] std::string_view file_kind(std::uint32_t mode);
/// A device as the kernel packs it, 20 bits of minor: "8:1".
[[nodiscard]] std::string device_text(std::uint32_t device);
/// MS_*: "ro nosuid".
[[nodiscard]] std::string mount_flags(std::uint32_t flags);
/// CLOCK_*: "monotonic".
[[nodiscard]] std::string clock_name(std::uint32_t clock);
/// CLONE_NEW*: "net".
[[nodiscard]] std::string_view namespace_type(std::uint32_t clone_flag);
/// Bits 0 to 63 as signals 1 to 64.
[[nodiscard]] std::string signal_set(std::uint64_t mask);
/// NETLINK_*
[[nodiscard]] std::string netlink_protocol(std::uint32_t protocol);

/// "127.0.0.1:80", "[::1]:80"; words in network order, as an image has them.
[[nodiscard]] std::string inet_address(const flatbuffers::Vector<std::uint32_t>* words,
                                       std::uint32_t port);
/// "tcp", "udp6", "raw6 58"
[[nodiscard]] std::string inet_protocol(std::uint32_t family, std::uint32_t type,
                                        std::uint32_t protocol);
/// TCP_*: "LISTEN"
[[nodiscard]] std::string socket_state(std::uint32_t state);
/// SOCK_*: "stream"
[[nodiscard]] std::string socket_type(std::uint32_t type);
/// A path, "@abstract", or empty where it is not bound.
[[nodiscard]] std::string unix_name(const flatbuffers::Vector<std::uint8_t>* name);

}  // namespace img::show
