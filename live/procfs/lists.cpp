// SPDX-License-Identifier: MIT
#include "live/procfs/lists.h"

#include <elf.h>

#include <algorithm>

#include "libimg/base/scanner.h"

namespace img::procfs {
namespace {
constexpr std::size_t kMaxAuxEntries = 256;     // the kernel holds some 26
constexpr std::size_t kMaxChildren = 1U << 22;  // PID_MAX_LIMIT
}  // namespace

Result<std::vector<AuxEntry>> parse_auxv(Bytes bytes) {
  std::vector<AuxEntry> out;
  for (; bytes.size() >= sizeof(AuxEntry); bytes = bytes.subspan(sizeof(AuxEntry))) {
    const auto entry = load<AuxEntry>(bytes.data());
    if (entry.type == AT_NULL) {
      return out;
    }
    if (out.size() == kMaxAuxEntries) {
      break;
    }
    out.push_back(entry);
  }
  return malformed("auxv", "end");
}

std::optional<std::uint64_t> find_aux(const std::vector<AuxEntry>& auxv, std::uint64_t type) {
  const auto at =
      std::find_if(auxv.begin(), auxv.end(), [&](const AuxEntry& one) { return one.type == type; });
  return at == auxv.end() ? std::nullopt : std::optional(at->value);
}

std::vector<std::string> parse_strings(std::string_view bytes) {
  std::vector<std::string> out;
  for (Scanner in(bytes); !in.at_end();) {
    out.emplace_back(in.until('\0'));
  }
  return out;
}

Result<std::vector<std::int32_t>> parse_children(std::string_view text) {
  std::vector<std::int32_t> out;
  Scanner in(text);
  for (in.skip_blanks(); !in.at_end(); in.skip_blanks()) {
    const auto pid = in.number<std::int32_t>();
    if (!pid || *pid <= 0 || out.size() == kMaxChildren) {
      return malformed("children", "pid");
    }
    out.push_back(*pid);
  }
  return out;
}

std::optional<NumberedLink> parse_numbered_link(std::string_view target) {
  NumberedLink out;
  Scanner in(target);
  out.kind = in.until(':');
  if (out.kind.empty() || !in.skip("[") || !in.take(out.inode) || !in.skip("]") || !in.at_end()) {
    return std::nullopt;
  }
  return out;
}

}  // namespace img::procfs
