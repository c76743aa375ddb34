// SPDX-License-Identifier: MIT
#include "live/dump/files/socket_options.h"

#include <linux/filter.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>

#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif

namespace img::dump {
namespace {

timeval timeout(int fd, int name) {
  timeval out{};
  socklen_t length = sizeof out;
  ::getsockopt(fd, SOL_SOCKET, name, &out, &length);
  return out;
}

std::string bound_device(int fd) {
  std::array<char, IFNAMSIZ> name{};
  socklen_t length = name.size();
  const bool is_bound =
      ::getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name.data(), &length) == 0 && length > 0;
  return is_bound ? std::string(name.data(), ::strnlen(name.data(), name.size())) : std::string();
}

// One word an instruction: code, jt, jf, k, from the high end on.
std::vector<std::uint64_t> filter_of(int fd) {
  socklen_t count = 0;  // of instructions
  if (::getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, nullptr, &count) != 0 || count == 0) {
    return {};
  }
  std::vector<sock_filter> filter(count);
  if (::getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, filter.data(), &count) != 0) {
    return {};
  }
  std::vector<std::uint64_t> out;
  for (const sock_filter& one : filter) {
    out.push_back(std::uint64_t{one.code} << 48 | std::uint64_t{one.jt} << 40 |
                  std::uint64_t{one.jf} << 32 | one.k);
  }
  return out;
}

}  // namespace

std::optional<std::uint32_t> socket_option(int fd, int level, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  if (::getsockopt(fd, level, name, &value, &length) != 0) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(value);
}

std::uint32_t socket_number(int fd, int level, int name) {
  return socket_option(fd, level, name).value_or(0);
}

flatbuffers::Offset<schema::SkOptsEntry> options_entry(flatbuffers::FlatBufferBuilder& builder,
                                                       int fd, bool passes_credentials) {
  const auto number = [fd](int name) { return socket_number(fd, SOL_SOCKET, name); };
  const auto flag = [&](int name) { return number(name) != 0; };
  const auto seconds = [](const timeval& time) { return static_cast<std::uint64_t>(time.tv_sec); };
  const auto micros = [](const timeval& time) { return static_cast<std::uint64_t>(time.tv_usec); };
  const std::string device = bound_device(fd);
  const std::vector<std::uint64_t> filter = filter_of(fd);
  const auto device_name = device.empty() ? 0 : builder.CreateString(device);
  const auto filter_words = filter.empty() ? 0 : builder.CreateVector(filter);
  const timeval sending = timeout(fd, SO_SNDTIMEO);
  const timeval receiving = timeout(fd, SO_RCVTIMEO);
  linger lingers{};
  socklen_t length = sizeof lingers;
  ::getsockopt(fd, SOL_SOCKET, SO_LINGER, &lingers, &length);

  schema::SkOptsEntryBuilder out(builder);
  out.add_so_sndbuf(number(SO_SNDBUF));
  out.add_so_rcvbuf(number(SO_RCVBUF));
  out.add_so_snd_tmo_sec(seconds(sending));
  out.add_so_snd_tmo_usec(micros(sending));
  out.add_so_rcv_tmo_sec(seconds(receiving));
  out.add_so_rcv_tmo_usec(micros(receiving));
  out.add_reuseaddr(flag(SO_REUSEADDR));
  out.add_so_priority(number(SO_PRIORITY));
  out.add_so_rcvlowat(number(SO_RCVLOWAT));
  if (const std::uint32_t mark = number(SO_MARK); mark != 0) {
    out.add_so_mark(mark);  // to set it takes CAP_NET_ADMIN
  }
  if (passes_credentials) {
    out.add_so_passcred(flag(SO_PASSCRED));
    out.add_so_passsec(flag(SO_PASSSEC));
  }
  out.add_so_dontroute(flag(SO_DONTROUTE));
  out.add_so_no_check(flag(SO_NO_CHECK));
  if (!device.empty()) {
    out.add_so_bound_dev(device_name);
  }
  if (!filter.empty()) {
    out.add_so_filter(filter_words);
  }
  out.add_so_reuseport(flag(SO_REUSEPORT));
  out.add_so_broadcast(flag(SO_BROADCAST));
  out.add_so_keepalive(flag(SO_KEEPALIVE));
  out.add_so_oobinline(number(SO_OOBINLINE));
  if (lingers.l_onoff != 0) {
    out.add_so_linger(static_cast<std::uint32_t>(lingers.l_linger));
  }
  if (const auto locked = socket_option(fd, SOL_SOCKET, SO_BUF_LOCK)) {  // since Linux 5.15
    out.add_so_buf_lock(*locked);
  }
  return out.Finish();
}

std::uint32_t family_of(const OpenFile& file) {
  return S_ISSOCK(file.stat.st_mode) && !file.is_path_only()
             ? socket_number(file.copy.get(), SOL_SOCKET, SO_DOMAIN)
             : 0;
}

Result<bool> is_in_own_network(FileBench& bench, const OpenFile& file) {
  struct stat own {};
  struct stat other {};
  const UniqueFd network(::ioctl(file.copy.get(), SIOCGSKNS));
  if (!network.is_open() || ::fstat(network.get(), &other) != 0 ||
      ::stat("/proc/self/ns/net", &own) != 0) {
    return fail(sys_error(errno, file.name(), "ask for its network namespace"));
  }
  const bool is_ours = own.st_ino == other.st_ino;
  if (!is_ours) {
    bench.refuse(file, state::Piece::socket_network);
  }
  return is_ours;
}

}  // namespace img::dump
