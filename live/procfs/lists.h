// SPDX-License-Identifier: MIT
// The small files of /proc/PID: auxv, cmdline, environ, task/TID/children, and what its links say
// (ns/*, fd/*). Knows bytes only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "libimg/base/bytes.h"
#include "libimg/base/result.h"

namespace img::procfs {

struct AuxEntry {
  std::uint64_t type = 0;
  std::uint64_t value = 0;
};

/// Up to and without AT_NULL, of a 64-bit task.
[[nodiscard]] Result<std::vector<AuxEntry>> parse_auxv(Bytes bytes);
[[nodiscard]] std::optional<std::uint64_t> find_aux(const std::vector<AuxEntry>& auxv,
                                                    std::uint64_t type);

/// cmdline and environ: strings that end in a zero byte; a last one may lack it.
[[nodiscard]] std::vector<std::string> parse_strings(std::string_view bytes);

/// task/TID/children: "12 15 ".
[[nodiscard]] Result<std::vector<std::int32_t>> parse_children(std::string_view text);

/// "pipe:[123]", "net:[4026531840]".
struct NumberedLink {
  std::string kind;
  std::uint64_t inode = 0;
};
[[nodiscard]] std::optional<NumberedLink> parse_numbered_link(std::string_view target);

}  // namespace img::procfs
