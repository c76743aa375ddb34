// SPDX-License-Identifier: MIT
// The GNU build id of an ELF file: some 20 bytes that name its content. Knows of ELF what it takes
// to find that note, in files that may be anything.
#pragma once

#include <cstdint>
#include <vector>

#include "libimg/base/bytes.h"

namespace img {

/// Empty: it has none, or is no ELF file of this machine's byte order, or may not be read.
[[nodiscard]] std::vector<std::byte> gnu_build_id(int file);
[[nodiscard]] std::vector<std::byte> gnu_build_id(Bytes elf);

/// As images have it: four bytes a word in memory order, filled up with zeros.
[[nodiscard]] std::vector<std::uint32_t> words_of_build_id(Bytes id);
/// The words of an image mean this build id; an empty one is nobody's.
[[nodiscard]] bool is_build_id(Bytes id, std::span<const std::uint32_t> words);

}  // namespace img
