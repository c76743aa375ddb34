// SPDX-License-Identifier: MIT
// The GNU build id of an ELF file: what tells two versions of a program of the same size apart.
#pragma once

#include <cstdint>
#include <vector>

namespace img::dump {

/// Four bytes a word in memory order, filled up with zeros; empty where `fd` is no ELF file of
/// this machine's byte order, has none, or may not be read.
[[nodiscard]] std::vector<std::uint32_t> build_id(int fd);

}  // namespace img::dump
