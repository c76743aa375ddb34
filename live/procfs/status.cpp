// SPDX-License-Identifier: MIT
#include "live/procfs/status.h"

#include <algorithm>

#include "libimg/base/scanner.h"

namespace img::procfs {
namespace {

constexpr std::size_t kMaxGroups = 65536;   // NGROUPS_MAX
constexpr std::size_t kMaxNamespaces = 64;  // nesting allowed is 32
constexpr std::size_t kMaxCpuBytes = 8192 / 8;

template <class T>
bool numbers(Scanner value, std::vector<T>& out, std::size_t most) {
  out.clear();
  for (value.skip_blanks(); !value.at_end(); value.skip_blanks()) {
    T one{};
    if (out.size() == most || !value.take(one)) {
      return false;
    }
    out.push_back(one);
  }
  return true;
}

bool four(Scanner value, std::array<std::uint32_t, 4>& out) {
  return std::all_of(out.begin(), out.end(),
                     [&](std::uint32_t& one) { return value.skip_blanks().take(one); });
}

bool yes_or_no(Scanner value, bool& out) {
  const std::string_view word = value.rest();
  out = word == "1";
  return word == "1" || word == "0";
}

// "ff,ffffffff": the highest CPUs first.
bool cpus(std::string_view value, std::vector<std::uint8_t>& out) {
  out.clear();
  std::string digits;
  for (const char c : value) {
    if (c != ',') {
      digits += c;
    }
  }
  for (std::size_t end = digits.size(); end > 0; end -= std::min<std::size_t>(end, 2)) {
    const std::size_t begin = end - std::min<std::size_t>(end, 2);
    Scanner byte(std::string_view(digits).substr(begin, end - begin));
    std::uint8_t one = 0;
    if (out.size() == kMaxCpuBytes || !byte.take(one, 16) || !byte.at_end()) {
      return false;
    }
    out.push_back(one);
  }
  return true;
}

struct Line {
  std::string_view key;
  bool (*take)(std::string_view value, Status& out);
};

#define IMG_LINE(key, expression)                         \
  Line {                                                  \
    key, [](std::string_view text, Status& out) -> bool { \
      Scanner value(text);                                \
      return expression;                                  \
    }                                                     \
  }

constexpr Line kLines[] = {
    {"Name",
     [](std::string_view text, Status& out) {
       out.name = text;
       return true;
     }},
    {"State",
     [](std::string_view text, Status& out) {
       out.state = text.empty() ? '?' : text.front();
       return !text.empty();
     }},
    IMG_LINE("Umask", value.take(out.umask, 8)),
    IMG_LINE("Tgid", value.take(out.tgid)),
    IMG_LINE("Pid", value.take(out.pid)),
    IMG_LINE("PPid", value.take(out.ppid)),
    IMG_LINE("TracerPid", value.take(out.tracer)),
    IMG_LINE("Uid", four(value, out.uids)),
    IMG_LINE("Gid", four(value, out.gids)),
    IMG_LINE("FDSize", value.take(out.fd_size)),
    IMG_LINE("Groups", numbers(value, out.groups, kMaxGroups)),
    IMG_LINE("NStgid", numbers(value, out.ns_tgid, kMaxNamespaces)),
    IMG_LINE("NSpid", numbers(value, out.ns_pid, kMaxNamespaces)),
    IMG_LINE("NSpgid", numbers(value, out.ns_pgid, kMaxNamespaces)),
    IMG_LINE("NSsid", numbers(value, out.ns_sid, kMaxNamespaces)),
    IMG_LINE("VmLck", value.take(out.locked_kib)),
    IMG_LINE("Threads", value.take(out.threads)),
    IMG_LINE("SigPnd", value.take(out.pending, 16)),
    IMG_LINE("ShdPnd", value.take(out.shared_pending, 16)),
    IMG_LINE("SigBlk", value.take(out.blocked, 16)),
    IMG_LINE("SigIgn", value.take(out.ignored, 16)),
    IMG_LINE("SigCgt", value.take(out.caught, 16)),
    IMG_LINE("CapInh", value.take(out.cap_inheritable, 16)),
    IMG_LINE("CapPrm", value.take(out.cap_permitted, 16)),
    IMG_LINE("CapEff", value.take(out.cap_effective, 16)),
    IMG_LINE("CapBnd", value.take(out.cap_bounding, 16)),
    IMG_LINE("CapAmb", value.take(out.cap_ambient, 16)),
    IMG_LINE("NoNewPrivs", yes_or_no(value, out.no_new_privs)),
    IMG_LINE("Seccomp", value.take(out.seccomp)),
    IMG_LINE("Seccomp_filters", value.take(out.seccomp_filters)),
    IMG_LINE("Cpus_allowed", cpus(value.rest(), out.cpus_allowed)),
};
#undef IMG_LINE

}  // namespace

Result<Status> parse_status(std::string_view text) {
  Status out;
  for (Scanner all(text); !all.at_end();) {
    Scanner line(all.line());
    const std::string_view key = line.until(':');
    const auto known = std::find_if(std::begin(kLines), std::end(kLines),
                                    [&](const Line& one) { return one.key == key; });
    if (known != std::end(kLines) && !known->take(line.skip_blanks().rest(), out)) {
      return malformed("status", key);
    }
  }
  if (out.pid <= 0) {
    return malformed("status", "Pid");
  }
  return out;
}

}  // namespace img::procfs
