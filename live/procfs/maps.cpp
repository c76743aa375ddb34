// SPDX-License-Identifier: MIT
#include "live/procfs/maps.h"

#include <algorithm>

#include "libimg/base/scanner.h"

namespace img::procfs {
namespace {

// The kernel's own limit is 65,530 unless the administrator raised it.
constexpr std::size_t kMaxMappings = 1U << 20;

struct FlagName {
  std::string_view letters;
  VmFlag flag;
};
constexpr FlagName kFlagNames[] = {
#define IMG_VM_FLAG(name, letters) {letters, VmFlag::name},
#include "live/procfs/vm_flags.inc"
#undef IMG_VM_FLAG
};

bool letter(Scanner& in, char set, bool& out) {
  out = in.rest().starts_with(set);
  return out ? in.skip(std::string_view(&set, 1)) : in.skip("-");
}

bool take_shared(Scanner& in, bool& shared) {
  shared = in.rest().starts_with('s');
  return in.skip("s") || in.skip("p");
}

void take_flags(std::string_view words, VmFlags& out) {
  Scanner in(words);
  for (std::string_view word = in.word(); !word.empty(); word = in.word()) {
    const auto known = std::find_if(std::begin(kFlagNames), std::end(kFlagNames),
                                    [&](const FlagName& one) { return one.letters == word; });
    if (known != std::end(kFlagNames)) {
      out.set(known->flag);
    } else {
      out.unknown += (out.unknown.empty() ? "" : " ") + std::string(word);
    }
  }
}

bool take_detail(std::string_view line, SmapsMapping& out) {
  Scanner in(line);
  const std::string_view key = in.until(':');
  in.skip_blanks();
  if (key == "Rss") {
    return in.take(out.resident_kib);
  }
  if (key == "Anonymous") {
    return in.take(out.anonymous_kib);
  }
  if (key == "Swap") {
    return in.take(out.swapped_kib);
  }
  if (key == "KernelPageSize") {
    return in.take(out.page_kib);
  }
  if (key == "ProtectionKey") {
    return in.take(out.protection_key);
  }
  if (key == "VmFlags") {
    take_flags(in.rest(), out.flags);
  }
  return true;
}

// A mapping begins with a lower-case hexadecimal digit, every other line with a capital.
bool begins_mapping(std::string_view line) {
  return !line.empty() &&
         ((line[0] >= '0' && line[0] <= '9') || (line[0] >= 'a' && line[0] <= 'f'));
}

}  // namespace

Result<Mapping> parse_mapping(std::string_view line) {
  Mapping out;
  Scanner in(line);
  const bool ok = in.take(out.start, 16) && in.skip("-") && in.take(out.end, 16) && in.skip(" ") &&
                  letter(in, 'r', out.readable) && letter(in, 'w', out.writable) &&
                  letter(in, 'x', out.executable) && take_shared(in, out.shared) && in.skip(" ") &&
                  in.take(out.offset, 16) && in.skip(" ") && in.take(out.device_major, 16) &&
                  in.skip(":") && in.take(out.device_minor, 16) && in.skip(" ") &&
                  in.take(out.inode);
  if (!ok || out.end <= out.start || (!in.at_end() && !in.skip(" "))) {
    return malformed("maps", line.substr(0, 100));
  }
  out.path = in.skip_blanks().rest();
  return out;
}

Result<std::vector<Mapping>> parse_maps(std::string_view text) {
  std::vector<Mapping> out;
  for (Scanner in(text); !in.at_end();) {
    IMG_ASSIGN(Mapping one, parse_mapping(in.line()));
    if (out.size() == kMaxMappings || (!out.empty() && out.back().end > one.start)) {
      return malformed("maps", "number or order of mappings");
    }
    out.push_back(std::move(one));
  }
  return out;
}

Result<std::vector<SmapsMapping>> parse_smaps(std::string_view text) {
  std::vector<SmapsMapping> out;
  for (Scanner in(text); !in.at_end();) {
    const std::string_view line = in.line();
    if (begins_mapping(line)) {
      IMG_ASSIGN(Mapping one, parse_mapping(line));
      if (out.size() == kMaxMappings) {
        return malformed("smaps", "number of mappings");
      }
      out.push_back({std::move(one), 0, 0, 0, 4, 0, {}});
    } else if (out.empty() || !take_detail(line, out.back())) {
      return malformed("smaps", line.substr(0, 100));
    }
  }
  return out;
}

const Mapping* find_mapping(const std::vector<Mapping>& maps, std::uint64_t address) {
  const auto after =
      std::upper_bound(maps.begin(), maps.end(), address,
                       [](std::uint64_t value, const Mapping& one) { return value < one.end; });
  return after == maps.end() || address < after->start ? nullptr : &*after;
}

}  // namespace img::procfs
