// SPDX-License-Identifier: MIT
// TCP, UDP and raw sockets, IPv4 and IPv6. All is asked of the socket itself; only what a UDP
// socket has shut down is listed nowhere else than in sock_diag.
#include <linux/inet_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "live/dump/files/file_kind.h"
#include "live/dump/files/inet_options.h"
#include "live/dump/files/sock_diag.h"
#include "live/dump/files/socket_options.h"

namespace img::dump {
namespace {

constexpr std::uint32_t kEstablished = 1;
constexpr std::uint32_t kClosed = 7;
constexpr std::uint32_t kListening = 10;

struct Address {
  bool is_there = false;
  std::uint32_t port = 0;
  std::vector<std::uint32_t> words;  // in network order
  std::uint32_t scope = 0;
};

struct InetSocket {
  int family = 0;
  std::uint32_t type = 0;
  std::uint32_t protocol = 0;
  std::uint32_t state = kClosed;
  std::uint32_t backlog = 0;
  std::uint32_t shutdown = 0;
  Address own;
  Address peer;

  [[nodiscard]] bool is_tcp() const { return type == SOCK_STREAM && protocol == IPPROTO_TCP; }
  [[nodiscard]] bool is_udp() const {
    return type == SOCK_DGRAM && (protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE);
  }
};

/// Who it is connected to, or was: a reset connection still knows.
int peer_name(int fd, sockaddr* where, socklen_t* length) {
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERNAME, where, length);
}

Address address_of(int fd, int family, int (*ask)(int, sockaddr*, socklen_t*)) {
  Address out;
  out.words.resize(family == AF_INET6 ? 4 : 1);
  sockaddr_storage where{};
  socklen_t length = sizeof where;
  if (ask(fd, reinterpret_cast<sockaddr*>(&where), &length) != 0 || where.ss_family != family) {
    return out;
  }
  out.is_there = true;
  if (family == AF_INET6) {
    const auto v6 = load<sockaddr_in6>(&where);
    std::memcpy(out.words.data(), &v6.sin6_addr, 16);
    out.port = ntohs(v6.sin6_port);
    out.scope = v6.sin6_scope_id;
  } else {
    const auto v4 = load<sockaddr_in>(&where);
    out.words[0] = v4.sin_addr.s_addr;
    out.port = ntohs(v4.sin_port);
  }
  return out;
}

class InetSockets final : public FileKind {
 public:
  using FileKind::FileKind;
  schema::FdTypes type() const override { return schema::FdTypes::INETSK; }
  bool recognises(const OpenFile& file) const override {
    const std::uint32_t family = family_of(file);
    return family == AF_INET || family == AF_INET6;
  }

  Result<void> collect(OpenFile& file, std::uint32_t id) override {
    IMG_ASSIGN(const bool is_ours, is_in_own_network(bench_, file));
    if (!is_ours) {
      return {};
    }
    const int fd = file.copy.get();
    InetSocket socket;
    socket.family = static_cast<int>(family_of(file));
    socket.type = socket_number(fd, SOL_SOCKET, SO_TYPE);
    socket.protocol = socket_number(fd, SOL_SOCKET, SO_PROTOCOL);
    const auto own_name = [](int of, sockaddr* where, socklen_t* length) {
      return ::getsockname(of, where, length);
    };
    socket.own = address_of(fd, socket.family, own_name);
    socket.peer = address_of(fd, socket.family, peer_name);
    IMG_ASSIGN(const bool is_kept, look(file, socket));
    if (is_kept) {
      add(file, id, socket);
    }
    return {};
  }

 private:
  Result<bool> look(const OpenFile& file, InetSocket& socket) {
    if (socket.is_tcp()) {
      return look_at_tcp(file, socket);
    }
    if (socket.is_udp()) {
      return look_at_udp(file, socket);
    }
    const bool is_ping = socket.type == SOCK_DGRAM &&
                         (socket.protocol == IPPROTO_ICMP || socket.protocol == IPPROTO_ICMPV6);
    if (socket.type != SOCK_RAW && !is_ping) {
      bench_.refuse(file, state::Piece::socket_protocol);
      return false;
    }
    socket.state = socket.peer.is_there ? kEstablished : kClosed;
    return true;
  }

  Result<bool> look_at_tcp(const OpenFile& file, InetSocket& socket) {
    tcp_info tcp{};
    socklen_t length = sizeof tcp;
    if (::getsockopt(file.copy.get(), SOL_TCP, TCP_INFO, &tcp, &length) != 0) {
      return fail(sys_error(errno, file.name(), "getsockopt(TCP_INFO)"));
    }
    socket.state = tcp.tcpi_state;
    if (socket.state == kListening) {
      socket.backlog = tcp.tcpi_sacked;
      if (tcp.tcpi_unacked != 0) {
        bench_.refuse(file, state::Piece::tcp_in_flight);
        return false;
      }
      return true;
    }
    if (socket.state != kClosed) {
      bench_.refuse(file, state::Piece::tcp_connected);
      return false;
    }
    pollfd poll{file.copy.get(), POLLRDHUP | POLLHUP, 0};
    if (file.has_unread()) {
      bench_.refuse(file, state::Piece::tcp_unread);
      return false;
    }
    if (::poll(&poll, 1, 0) == 1 && (poll.revents & POLLRDHUP) != 0) {
      socket.shutdown = static_cast<std::uint32_t>(schema::SkShutdown::READ);
    }
    return true;
  }

  Result<bool> look_at_udp(const OpenFile& file, InetSocket& socket) {
    if (socket_number(file.copy.get(), SOL_UDP, UDP_CORK) != 0) {
      bench_.refuse(file, state::Piece::udp_corked);
      return false;
    }
    socket.state = socket.peer.is_there ? kEstablished : kClosed;
    if (file.has_unread()) {
      bench_.lose(file, state::Piece::udp_queue);
    }
    IMG_TRY(look_at_list(socket, static_cast<std::uint32_t>(file.stat.st_ino)));
    return true;
  }

  // Listed once for each family and protocol. Sockets that have no port are not in these lists,
  // but cannot be connected or shut down either.
  Result<void> look_at_list(InetSocket& socket, std::uint32_t inode) {
    const auto [list, is_new] = lists_.try_emplace({socket.family, socket.protocol});
    if (is_new) {
      inet_diag_req_v2 request{};
      request.sdiag_family = static_cast<std::uint8_t>(socket.family);
      request.sdiag_protocol = static_cast<std::uint8_t>(socket.protocol);
      request.idiag_states = ~0U;
      auto& sockets = list->second;
      IMG_TRY(ask_sock_diag(std::as_bytes(std::span(&request, 1)), sizeof(inet_diag_msg),
                            [&](Bytes message, const DiagAttributes& attributes) {
                              const auto head = load<inet_diag_msg>(message.data());
                              Listed& one = sockets[head.idiag_inode];
                              one.state = head.idiag_state;
                              std::memcpy(one.peer.data(), head.id.idiag_dst, 16);
                              one.peer_port = ntohs(head.id.idiag_dport);
                              const auto shut = attributes.find(INET_DIAG_SHUTDOWN);
                              if (shut != attributes.end() && !shut->second.empty()) {
                                one.shutdown = std::to_integer<std::uint32_t>(shut->second[0]);
                              }
                            }));
    }
    if (const auto found = list->second.find(inode); found != list->second.end()) {
      const Listed& one = found->second;
      socket.shutdown = one.shutdown;
      socket.state = one.state;
      std::copy_n(one.peer.begin(), socket.peer.words.size(), socket.peer.words.begin());
      socket.peer.port = one.peer_port;  // getpeername(2) does not tell once it is shut down
    }
    return {};
  }

  void add(const OpenFile& file, std::uint32_t id, const InetSocket& socket) {
    const int fd = file.copy.get();
    const bool is_v6 = socket.family == AF_INET6;
    char device[IF_NAMESIZE] = {};
    const bool has_device =
        socket.own.scope != 0 && ::if_indextoname(socket.own.scope, device) != nullptr;
    auto& builder = bench_.builder();
    const auto own = builder.CreateVector(socket.own.words);
    const auto peer = builder.CreateVector(socket.peer.words);
    const auto owner = owner_entry(builder, file.owner);
    const auto options = options_entry(builder, fd, false);
    const InetKind kind{is_v6, socket.type == SOCK_RAW, socket.protocol};
    const auto ip = ip_options_entry(builder, fd, kind);
    const auto tcp = tcp_options_entry(builder, fd, socket.is_tcp());
    const auto device_name = has_device ? builder.CreateString(device) : 0;
    schema::InetSkEntryBuilder entry(builder);
    entry.add_id(id);
    entry.add_ino(static_cast<std::uint32_t>(file.stat.st_ino));
    entry.add_family(static_cast<std::uint32_t>(socket.family));
    entry.add_type(socket.type);
    entry.add_proto(socket.protocol);
    entry.add_state(socket.state);
    entry.add_src_port(socket.own.port);
    entry.add_dst_port(socket.peer.port);
    entry.add_flags(file.flags);
    entry.add_backlog(socket.backlog);
    entry.add_src_addr(own);
    entry.add_dst_addr(peer);
    entry.add_fown(owner);
    entry.add_opts(options);
    if (is_v6) {
      entry.add_v6only(socket_number(fd, SOL_IPV6, IPV6_V6ONLY) != 0);
    }
    entry.add_ip_opts(ip);
    if (has_device) {
      entry.add_ifname(device_name);
    }
    if (socket.shutdown != 0) {
      entry.add_shutdown(static_cast<schema::SkShutdown>(socket.shutdown & 3U));
    }
    entry.add_tcp_opts(tcp);
    bench_.add_file(type(), id, entry.Finish(), &schema::FileEntryBuilder::add_isk);
  }

  /// What names do not say: one may be connected to port 0.
  struct Listed {
    std::uint32_t state = 0;
    std::uint32_t shutdown = 0;
    std::array<std::uint32_t, 4> peer{};
    std::uint16_t peer_port = 0;
  };
  std::map<std::pair<int, std::uint32_t>, std::map<std::uint32_t, Listed>> lists_;
};

}  // namespace

std::unique_ptr<FileKind> make_inet_sockets(FileBench& bench) {
  return std::make_unique<InetSockets>(bench);
}

}  // namespace img::dump
