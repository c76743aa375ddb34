// SPDX-License-Identifier: MIT
// Files and directories by descriptor. Nothing here follows a symbolic link in the last part of a
// name or blocks on a fifo, and what is made is private (0600, 0700) whatever the umask. `thing` is
// what errors call the file.
#pragma once

#include <cstdint>
#include <string>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"
#include "libimg/base/unique_fd.h"

namespace img {

/// `flags`: O_RDONLY, O_RDWR ...; anything but a regular file is Fault::unsupported, whose `why` is
/// what it is.
[[nodiscard]] Result<UniqueFd> open_regular(int directory, const std::string& name, int flags,
                                            const std::string& thing);
/// Follows a link: directories are named by the user.
[[nodiscard]] Result<UniqueFd> open_directory(int directory, const std::string& name,
                                              const std::string& thing);
/// A new file, open for reading and writing; Fault::conflict where the name is taken.
[[nodiscard]] Result<UniqueFd> create_file(int directory, const std::string& name,
                                           const std::string& thing);
/// A new directory.
[[nodiscard]] Result<UniqueFd> create_directory(int directory, const std::string& name,
                                                const std::string& thing);

[[nodiscard]] Result<std::uint64_t> file_size(int fd, const std::string& thing);
/// All of it, at `offset`.
[[nodiscard]] Result<void> write_at(int fd, std::uint64_t offset, Bytes bytes,
                                    const std::string& thing);
/// As much of `to` as the file has from `offset` on: less than all only at its end.
[[nodiscard]] Result<std::size_t> read_until_end(int fd, std::uint64_t offset,
                                                 std::span<std::byte> to, const std::string& thing);
/// Fills all of `to` from `offset`; Fault::corrupt where the file ends before.
[[nodiscard]] Result<void> read_at(int fd, std::uint64_t offset, std::span<std::byte> to,
                                   const std::string& thing);
/// To stable storage. After a failure the file's content is unknown: give it up.
[[nodiscard]] Result<void> sync_file(int fd, const std::string& thing);

/// From the kernel's generator.
[[nodiscard]] std::uint64_t random_bits();

}  // namespace img
