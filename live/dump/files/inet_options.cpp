// SPDX-License-Identifier: MIT
#include "live/dump/files/inet_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>

#include "live/dump/files/socket_options.h"

namespace img::dump {
namespace {

flatbuffers::Offset<schema::IpOptsRawEntry> raw_entry(flatbuffers::FlatBufferBuilder& builder,
                                                      int fd, const InetKind& kind) {
  constexpr int kFilterOption = 1;  // ICMP_FILTER, ICMPV6_FILTER
  const bool is_v6 = kind.is_v6;
  const bool is_icmp =
      kind.protocol == (is_v6 ? std::uint32_t{IPPROTO_ICMPV6} : std::uint32_t{IPPROTO_ICMP});
  std::array<std::uint32_t, 8> filter{};
  socklen_t length = is_v6 ? 32 : 4;
  const bool has_filter = is_icmp && ::getsockopt(fd, is_v6 ? IPPROTO_ICMPV6 : SOL_RAW,
                                                  kFilterOption, filter.data(), &length) == 0;
  const auto words = has_filter ? builder.CreateVector(filter.data(), length / 4) : 0;
  schema::IpOptsRawEntryBuilder out(builder);
  constexpr int kHeaderIncluded6 = 36;  // IPV6_HDRINCL
  constexpr int kNoDefrag = 22;         // IP_NODEFRAG
  if (socket_number(fd, is_v6 ? SOL_IPV6 : SOL_IP, is_v6 ? kHeaderIncluded6 : IP_HDRINCL) != 0) {
    out.add_hdrincl(true);
  }
  if (!is_v6 && socket_number(fd, SOL_IP, kNoDefrag) != 0) {
    out.add_nodefrag(true);
  }
  if (has_filter) {
    out.add_icmpv_filter(words);
  }
  return out.Finish();
}

}  // namespace

flatbuffers::Offset<schema::TcpOptsEntry> tcp_options_entry(flatbuffers::FlatBufferBuilder& builder,
                                                            int fd, bool is_tcp) {
  schema::TcpOptsEntryBuilder out(builder);
  if (is_tcp) {
    const auto number = [fd](int name) { return socket_number(fd, SOL_TCP, name); };
    if (number(TCP_CORK) != 0) {
      out.add_cork(true);
    }
    if (number(TCP_NODELAY) != 0) {
      out.add_nodelay(true);
    }
    out.add_keepcnt(number(TCP_KEEPCNT));
    out.add_keepidle(number(TCP_KEEPIDLE));
    out.add_keepintvl(number(TCP_KEEPINTVL));
  }
  return out.Finish();
}

flatbuffers::Offset<schema::IpOptsEntry> ip_options_entry(flatbuffers::FlatBufferBuilder& builder,
                                                          int fd, const InetKind& kind) {
  constexpr int kFreeBind6 = 78;  // IPV6_FREEBIND
  const bool is_v6 = kind.is_v6;
  const auto raw = kind.is_raw ? raw_entry(builder, fd, kind) : 0;
  const auto number = [&](int name) { return socket_number(fd, is_v6 ? SOL_IPV6 : SOL_IP, name); };
  schema::IpOptsEntryBuilder out(builder);
  if (number(is_v6 ? kFreeBind6 : IP_FREEBIND) != 0) {
    out.add_freebind(true);
  }
  if (kind.is_raw) {
    out.add_raw(raw);
  }
  if (number(is_v6 ? IPV6_RECVPKTINFO : IP_PKTINFO) != 0) {
    out.add_pktinfo(true);
  }
  if (const std::uint32_t tos = is_v6 ? 0 : number(IP_TOS); tos != 0) {
    out.add_tos(tos);
  }
  if (const std::uint32_t ttl = is_v6 ? 0 : number(IP_TTL); ttl != 0) {
    out.add_ttl(ttl);
  }
  return out.Finish();
}

}  // namespace img::dump
