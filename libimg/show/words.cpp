// SPDX-License-Identifier: MIT
#include "libimg/show/words.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <span>

#include "schema/layout.h"

namespace img::show {
namespace {

constexpr std::array<std::string_view, 32> kSignals = {
    "",          "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
    "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
    "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
    "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS"};

struct Bit {
  std::uint32_t mask;
  std::string_view name;
};

void append_word(std::string& words, std::string_view word) {
  if (!words.empty()) {
    words += ' ';
  }
  words += word;
}

void append_bits(std::string& words, std::uint32_t bits, std::span<const Bit> names) {
  for (const Bit& bit : names) {
    if ((bits & bit.mask) == bit.mask) {
      append_word(words, bit.name);
    }
  }
}

/// A dictionary of the schema's, as crit names its numbers.
std::string_view named(std::string_view table, std::string_view field, std::uint32_t number) {
  const schema::FieldLayout* layout = schema::table_layout(table).by_name(field);
  return layout == nullptr || layout->names == nullptr ? std::string_view()
                                                       : layout->names->name_of(number);
}

}  // namespace

std::string signal_name(std::uint32_t number) {
  return number > 0 && number < kSignals.size() ? std::string(kSignals[number])
                                                : fmt::format("signal {}", number);
}

std::string wait_status_words(std::uint32_t status) {
  const std::uint32_t signal = status & 0x7f;
  if (status > 0xffff || (signal != 0 && (status & 0xff00) != 0)) {
    return fmt::format("invalid status {:#x}", status);
  }
  if (signal == 0) {
    return fmt::format("exit {}", status >> 8);
  }
  return "killed by " + signal_name(signal) + ((status & 0x80) != 0 ? " (core dumped)" : "");
}

std::string protection(std::uint32_t prot) {
  std::string text = "---";
  text[0] = (prot & 1) != 0 ? 'r' : '-';
  text[1] = (prot & 2) != 0 ? 'w' : '-';
  text[2] = (prot & 4) != 0 ? 'x' : '-';
  return text;
}

std::string open_flags(std::uint32_t flags) {
  static constexpr Bit kBits[] = {{02000, "append"},     {04000, "nonblock"},   {010000, "dsync"},
                                  {020000, "async"},     {040000, "direct"},    {010000000, "path"},
                                  {01000000, "noatime"}, {020200000, "tmpfile"}};
  constexpr std::string_view kAccess[] = {"read", "write", "read+write", "no access"};
  std::string words((flags & 010000000) != 0 ? std::string_view() : kAccess[flags & 3]);
  append_bits(words, flags, kBits);
  return words;
}

std::string_view file_kind(std::uint32_t mode) {
  switch (mode & 0170000) {
    case 0140000: return "socket";
    case 0120000: return "symbolic link";
    case 0100000: return "file";
    case 0060000: return "block device";
    case 0040000: return "directory";
    case 0020000: return "character device";
    case 0010000: return "fifo";
    default: return "unknown";
  }
}

std::string mode_text(std::uint32_t mode) {
  constexpr std::string_view kKinds = "?pc?d?b?-?l?s???";
  std::string text(1, kKinds[(mode >> 12) & 15]);
  for (int shift = 6; shift >= 0; shift -= 3) {
    text +=
        protection(((mode >> shift) & 4) >> 2 | ((mode >> shift) & 2) | ((mode >> shift) & 1) << 2);
  }
  constexpr std::pair<std::uint32_t, char> kSpecial[] = {{04000, 's'}, {02000, 's'}, {01000, 't'}};
  for (std::size_t index = 0; index < 3; ++index) {
    if ((mode & kSpecial[index].first) != 0) {
      char& place = text[3 * (index + 1)];
      place = place == 'x' ? kSpecial[index].second
                           : static_cast<char>(kSpecial[index].second - 'a' + 'A');
    }
  }
  return text;
}

std::string device_text(std::uint32_t device) {
  return fmt::format("{}:{}", device >> 20, device & 0xfffff);
}

std::string mount_flags(std::uint32_t flags) {
  static constexpr Bit kBits[] = {
      {1, "ro"},         {2, "nosuid"},        {4, "nodev"},           {8, "noexec"},
      {16, "sync"},      {64, "mandlock"},     {128, "dirsync"},       {256, "nosymfollow"},
      {1024, "noatime"}, {2048, "nodiratime"}, {1U << 21, "relatime"}, {1U << 25, "lazytime"}};
  std::string words((flags & 1) != 0 ? std::string_view() : "rw");
  append_bits(words, flags, kBits);
  return words;
}

std::string clock_name(std::uint32_t clock) {
  switch (clock) {
    case 0: return "realtime";
    case 1: return "monotonic";
    case 7: return "boottime";
    case 8: return "realtime alarm";
    case 9: return "boottime alarm";
    default: return fmt::format("clock {}", clock);
  }
}

std::string_view namespace_type(std::uint32_t clone_flag) {
  switch (clone_flag) {
    case 0x00000080: return "time";
    case 0x00020000: return "mnt";
    case 0x02000000: return "cgroup";
    case 0x04000000: return "uts";
    case 0x08000000: return "ipc";
    case 0x10000000: return "user";
    case 0x20000000: return "pid";
    case 0x40000000: return "net";
    default: return "unknown";
  }
}

std::string signal_set(std::uint64_t mask) {
  std::string words;
  for (std::uint32_t bit = 0; bit < 64; ++bit) {
    if ((mask >> bit & 1) != 0) {
      append_word(words, signal_name(bit + 1));
    }
  }
  return words;
}

std::string netlink_protocol(std::uint32_t protocol) {
  switch (protocol) {
    case 0: return "route";
    case 4: return "sock_diag";
    case 6: return "xfrm";
    case 9: return "audit";
    case 12: return "netfilter";
    case 15: return "kobject_uevent";
    case 16: return "generic";
    default: return fmt::format("protocol {}", protocol);
  }
}

std::string inet_address(const flatbuffers::Vector<std::uint32_t>* words, std::uint32_t port) {
  char text[INET6_ADDRSTRLEN] = "?";
  std::uint32_t address[4] = {};
  const std::size_t size = words == nullptr ? 0 : words->size();
  for (flatbuffers::uoffset_t index = 0; index < size && index < 4; ++index) {
    address[index] = words->Get(index);
  }
  if (size == 1) {
    ::inet_ntop(AF_INET, address, text, sizeof text);
    return fmt::format("{}:{}", text, port);
  }
  if (size == 4) {
    ::inet_ntop(AF_INET6, address, text, sizeof text);
  }
  return fmt::format("[{}]:{}", text, port);
}

std::string inet_protocol(std::uint32_t family, std::uint32_t type, std::uint32_t protocol) {
  const std::string_view suffix = family == AF_INET6 ? "6" : "";
  if (type == SOCK_STREAM && protocol == IPPROTO_TCP) {
    return fmt::format("tcp{}", suffix);
  }
  if (type == SOCK_DGRAM && (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE)) {
    return fmt::format("{}{}", protocol == IPPROTO_UDP ? "udp" : "udplite", suffix);
  }
  return fmt::format("{}{} {}", socket_type(type), suffix, protocol);
}

std::string socket_state(std::uint32_t state) {
  const std::string_view name = named("InetSkEntry", "state", state);
  return name.empty() ? fmt::format("state {}", state) : std::string(name);
}

std::string socket_type(std::uint32_t type) {
  switch (type) {
    case SOCK_STREAM: return "stream";
    case SOCK_DGRAM: return "dgram";
    case SOCK_RAW: return "raw";
    case SOCK_SEQPACKET: return "seqpacket";
    case SOCK_PACKET: return "packet";
    default: return fmt::format("type {}", type);
  }
}

std::string unix_name(const flatbuffers::Vector<std::uint8_t>* name) {
  if (name == nullptr || name->size() == 0) {
    return {};
  }
  std::string text(reinterpret_cast<const char*>(name->data()), name->size());
  if (text[0] == '\0') {
    text[0] = '@';
    return text;
  }
  if (text.back() == '\0') {
    text.pop_back();
  }
  return text;
}

}  // namespace img::show
